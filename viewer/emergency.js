// While whoever looks has a record open in an emergency, a bar above the viewer says so, until when, and ends it.
(() => {
  const ASK_EVERY_MS = 15_000;
  const TICK_MS = 5_000;
  const FAILED = 'This did not end it. Try again, or end it above the study list.';

  const bar = document.createElement('section');
  bar.id = 'emergency';
  bar.setAttribute('aria-label', 'Emergency');
  let opened = new Map();
  let csrf = '';

  const make = (name, ...content) => {
    const made = document.createElement(name);
    made.append(...content);
    return made;
  };

  const whose = one =>
    one.study ? ['Study ', make('bdi', one.study)] : ['The record of patient ', make('bdi', one.patient), ' of ', make('bdi', one.issuer)];

  const left = one => {
    const minutes = Math.max(1, Math.round((one.endsAt - Date.now()) / 60_000));
    const clock = new Date(one.endsAt).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
    const more = `${minutes} ${minutes === 1 ? 'minute' : 'minutes'}`;
    return `It is open to you, beyond your rights, until ${clock}, for ${more} more. Each look is noted and will be reviewed.`;
  };

  const end = async (one, button, told) => {
    button.disabled = true;
    told.textContent = '';
    const address = `/emergency/${encodeURIComponent(one.id)}/end`;
    const body = new URLSearchParams({ csrf });
    const answer = await fetch(address, { method: 'POST', body, redirect: 'manual' }).catch(() => null);
    // It leads to the study list when it has ended.
    if (answer?.type === 'opaqueredirect' || answer?.status === 404) await ask();
    else told.textContent = FAILED;
    button.disabled = false;
  };

  const entry = one => {
    // Only what is new is read out, and not each minute that passes.
    const said = make('strong', make('span', '⚠ '), ...whose(one), ' was opened in an emergency.');
    said.setAttribute('role', 'alert');
    said.firstChild.setAttribute('aria-hidden', 'true');
    one.clock = make('span', left(one));
    const told = make('span');
    told.setAttribute('role', 'status');
    const button = make('button', 'End this emergency');
    button.type = 'button';
    button.addEventListener('click', () => end(one, button, told));
    return make('p', said, one.clock, button, told);
  };

  const show = () => {
    bar.replaceChildren(...[...opened.values()].map(entry));
    document.documentElement.classList.toggle('emergency', opened.size > 0);
    if (opened.size) document.body.prepend(bar);
    else bar.remove();
  };

  // What is on screen may not be for whoever looks any more, and the viewer would scroll on from its cache.
  const leave = () => {
    document.documentElement.style.visibility = 'hidden';
    try {
      window.cornerstone?.cache.purgeCache();
    } finally {
      location.reload();
    }
  };

  const ask = async () => {
    if (document.hidden) return;
    const answer = await fetch('/emergency/open', { cache: 'no-store' }).catch(() => null);
    // The page goes dark by itself when nobody is signed in any more.
    if (!answer?.ok) return;
    const told = await answer.json();
    const now = Date.now();
    const found = new Map(told.emergencies.map(one => [one.id, { ...one, endsAt: now + one.seconds * 1000 }]));
    csrf = told.csrf;
    if ([...opened.keys()].some(id => !found.has(id))) leave();
    else if (found.size > opened.size) {
      opened = found;
      show();
    }
  };

  const tick = () => {
    for (const one of opened.values()) {
      if (Date.now() >= one.endsAt) return leave();
      one.clock.textContent = left(one);
    }
  };

  new ResizeObserver(() => {
    document.documentElement.style.setProperty('--emergency-bar', `${bar.offsetHeight}px`);
  }).observe(bar);
  setInterval(ask, ASK_EVERY_MS);
  setInterval(tick, TICK_MS);
  document.addEventListener('visibilitychange', ask);
  ask();
})();
