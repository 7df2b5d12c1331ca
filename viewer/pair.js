// Above two studies side by side: which pane shows what, and the ways to the next prior, back, and to change sides. The
// keys are those of the links; here they come before the app's own.
(() => {
  const query = new URLSearchParams(location.search);
  const studies = (query.get('StudyInstanceUIDs') ?? '').split(',');
  if (query.get('hangingProtocolId') !== 'imagebank.compare' || studies.length < 2) return;

  const bar = document.createElement('section');
  bar.id = 'pair';
  let ways = [];

  const make = (name, className, ...content) => {
    const made = document.createElement(name);
    made.className = className;
    made.append(...content);
    return made;
  };

  // Single images hang in two rows, a study in each.
  const pane = (one, row) => {
    const tag = window.imagebankAcross > 1 ? `${one.tag}, ${told.rows[row]}` : one.tag;
    return make('span', one.is_current ? 'now' : 'before', make('b', '', tag), one.words);
  };

  const link = ({ address, words, key }) => {
    const made = make('a', '', words);
    made.href = address;
    if (key) {
      made.setAttribute('aria-keyshortcuts', key);
      made.append(make('kbd', '', key.toUpperCase()));
    }
    return made;
  };

  // How both panes are tied, as app-config.js says it.
  let told = null;
  const tie = make('span', 'tie');
  const tell = () => { tie.textContent = told?.links[window.imagebankLink] ?? ''; };
  addEventListener('imagebank-link', tell);

  const show = answer => {
    told = answer;
    ways = told.ways;
    const nav = make('nav', '', tie, ...(told.place ? [make('span', '', told.place)] : []), ...ways.map(link));
    nav.setAttribute('aria-label', told.label);
    bar.setAttribute('aria-label', told.label);
    bar.replaceChildren(...told.panes.map((one, row) => pane(one, row)), nav);
    document.documentElement.classList.add('pair');
    document.body.prepend(bar);
    tell();
  };

  // The words are in the language of whoever looks, and of what they may see.
  const ask = async () => {
    const asked = new URLSearchParams(studies.slice(0, 2).map(study => ['study', study]));
    const answer = await fetch(`/compare/open?${asked}`, { cache: 'no-store' }).catch(() => null);
    if (answer?.status === 200) show(await answer.json());
  };

  const isTyping = element => element.matches?.('input, textarea, select, [contenteditable]');
  document.addEventListener('keydown', event => {
    const isPlain = event.getModifierState('AltGraph') || !(event.ctrlKey || event.altKey || event.metaKey);
    if (!isPlain || event.repeat || isTyping(event.target) || localStorage.getItem('keys-off')) return;
    const way = ways.find(one => one.key === event.key.toLowerCase());
    if (!way) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    location.assign(way.address);
  }, true);

  new ResizeObserver(() => {
    document.documentElement.style.setProperty('--pair-bar', `${bar.offsetHeight}px`);
  }).observe(bar);
  ask();
})();
