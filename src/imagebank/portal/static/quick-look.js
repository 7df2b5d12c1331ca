// Goes through the images of a quick look without loading a page for each: keys, wheel, touch, slider, film, window, zoom.
// The next images are fetched ahead. Without this, links lead from image to image.
(() => {
  const board = document.getElementById('panes');
  if (!board) return;
  const AHEAD = 8;
  const AT_ONCE = 4; // so many are fetched ahead at a time; a browser has six connections
  const MOST_KEPT = 300;
  const BEAT_MS = 5000;
  const STEP_PX = 12;
  const MOST_ZOOM = 12;
  const words = (template, values) => template.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const clamp = (value, least, most) => Math.min(Math.max(value, least), most);
  const pair = text => (text ? text.split(',').map(Number) : null);

  // A pane: where its frames are, which is on screen, and the windows [centre, width] it was made with and is wanted with.
  // Without a window of its own it is adjusted as it is, from 0 to 255, and not made anew.
  const made = element => {
    const data = element.dataset;
    const frames = JSON.parse(data.runs).flatMap(([resource, many, wish]) =>
      Array.from({ length: many }, (_, i) => `${resource}/frames/${i + 1}/rendered?${wish}`));
    const image = element.querySelector('img');
    const own = pair(data.made);
    const pane = {
      element, frames, image, own, usual: own ?? [127.5, 255],
      at: Number(data.at), step: 1, links: JSON.parse(data.links), rate: Number(data.rate), what: data.what,
      well: element.querySelector('.well'), place: element.querySelector('[data-place]'),
      slide: element.querySelector('[data-slide]'),
      window: pair(data.window) ?? own ?? [127.5, 255], asked: pair(data.window), kept: new Map(), busy: false,
    };
    image.made = pane.window;
    pane.kept.set(key(pane, pane.at), Promise.resolve(image));
    return pane;
  };
  const key = (pane, at) => `${at} ${pane.asked ?? ''}`;
  const panes = [];
  panes.push(...[...board.querySelectorAll('.pane')].map(made));
  const other = pane => panes.find(one => one !== pane);
  const together = document.getElementById('together');
  const view = { zoom: 1, x: 0, y: 0 };

  // Goes dark as soon as the bank says no: what is on screen may not be for whoever looks any more.
  let isDark = false;
  const goDark = () => {
    if (isDark) return;
    isDark = true;
    board.replaceChildren();
    location.replace('/viewer/closed.html');
  };
  const beat = async () => {
    if (document.hidden) return;
    const answer = await fetch('/api/v1/session', { cache: 'no-store' }).catch(() => null);
    answer?.body?.cancel();
    if (answer?.status === 401 || answer?.status === 403) goDark();
  };
  setInterval(beat, BEAT_MS);
  document.addEventListener('visibilitychange', beat);
  addEventListener('pageshow', event => { if (event.persisted) location.reload(); });
  const ask = async address => {
    const answer = await fetch(address, { cache: 'no-store' }).catch(() => null);
    answer?.body?.cancel();
    if ([401, 403, 404].includes(answer?.status)) goDark();
  };

  const fetchImage = (pane, at) => {
    const name = key(pane, at);
    if (!pane.kept.has(name)) {
      const image = new Image();
      const { asked, window: [center, width] } = pane;
      image.draggable = false;
      image.made = asked ? [center, width] : pane.usual;
      image.src = pane.frames[at] + (asked ? `&window=${asked[0]},${asked[1]},linear` : '');
      pane.kept.set(name, image.decode().then(() => image));
      if (pane.kept.size > MOST_KEPT) pane.kept.delete(pane.kept.keys().next().value);
    }
    return pane.kept.get(name);
  };

  // What lies ahead, in the direction that was gone last, and one behind.
  let ahead = 0;
  const lookAhead = pane => {
    const many = pane.frames.length;
    const next = [...Array(AHEAD).keys()].map(i => pane.at + pane.step * (i + 1)).concat(pane.at - pane.step);
    for (const at of next) {
      if (ahead >= AT_ONCE) return;
      if (at < 0 || at >= many || pane.kept.has(key(pane, at))) continue;
      ahead += 1;
      fetchImage(pane, at).catch(() => {}).finally(() => { ahead -= 1; lookAhead(pane); });
    }
  };

  // Grey values are shown as if they had been made with the window that is wanted, until they are.
  const NS = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(NS, 'svg');
  svg.setAttribute('class', 'hidden');
  svg.setAttribute('aria-hidden', 'true');
  panes.forEach((pane, i) => {
    const filter = document.createElementNS(NS, 'filter');
    filter.id = `tone-${i}`;
    filter.setAttribute('color-interpolation-filters', 'sRGB');
    const transfer = filter.appendChild(document.createElementNS(NS, 'feComponentTransfer'));
    pane.tones = ['R', 'G', 'B'].map(channel => transfer.appendChild(document.createElementNS(NS, `feFunc${channel}`)));
    pane.tones.forEach(tone => tone.setAttribute('type', 'linear'));
    pane.tone = `url(#${filter.id})`;
    svg.append(filter);
  });
  board.after(svg);
  const dress = pane => {
    const [[from, wide], [to, wanted]] = [pane.image.made, pane.window];
    pane.tones.forEach(tone => {
      tone.setAttribute('slope', wide / wanted);
      tone.setAttribute('intercept', (from - wide / 2 - (to - wanted / 2)) / wanted);
    });
    pane.image.style.filter = from === to && wide === wanted ? '' : pane.tone;
    pane.image.style.transform = view.zoom === 1 ? '' : `translate(${view.x}px, ${view.y}px) scale(${view.zoom})`;
  };

  const put = (pane, image, at) => {
    const place = words(board.dataset.frame, { at: at + 1, many: pane.frames.length });
    image.alt = `${pane.what}, ${place}`;
    if (image !== pane.image) pane.image.replaceWith(image);
    pane.image = image;
    image.hidden = false;
    pane.element.querySelector('.lost')?.remove();
    dress(pane);
  };
  const lose = (pane, at) => {
    pane.kept.delete(key(pane, at));
    pane.image.hidden = true;
    pane.element.querySelector('.lost')?.remove();
    const said = document.createElement('p');
    said.className = 'lost';
    const link = document.createElement('a');
    link.href = pane.frames[at].replace(/^\/dicom-web|\/frames\/.*$/g, '');
    link.textContent = board.dataset.object;
    said.append(board.dataset.lost, ' ', link);
    pane.well.append(said);
    ask(pane.frames[at]);
  };
  // One image at a time: whoever scrolls fast sees those that come in time.
  const draw = async pane => {
    if (pane.busy || isDark) return;
    pane.busy = true;
    const [at, name] = [pane.at, key(pane, pane.at)];
    try {
      put(pane, await fetchImage(pane, at), at);
    } catch {
      lose(pane, at);
    }
    pane.busy = false;
    if (name !== key(pane, pane.at)) draw(pane);
    else lookAhead(pane);
  };

  let note;
  const remember = () => {
    const address = new URL(location.href);
    address.searchParams.set('n', panes[0].at + 1);
    history.replaceState(null, '', address);
  };
  const go = (pane, at, isLed = false) => {
    const wanted = clamp(at, 0, pane.frames.length - 1);
    if (wanted !== pane.at) pane.step = Math.sign(wanted - pane.at);
    pane.at = wanted;
    const place = words(board.dataset.frame, { at: wanted + 1, many: pane.frames.length });
    pane.place.textContent = place;
    if (pane.slide) {
      pane.slide.value = wanted + 1;
      pane.slide.setAttribute('aria-valuetext', place);
    }
    draw(pane);
    const beside = other(pane);
    if (beside && together.checked && !isLed) go(beside, pane.links[wanted], true);
    clearTimeout(note);
    note = setTimeout(remember, 400);
  };

  let remake;
  const setWindow = (pane, [center, width], isAtOnce = false) => {
    pane.window = [center, Math.max(width, 1)];
    dress(pane);
    clearTimeout(remake);
    if (!pane.own) return;
    remake = setTimeout(() => panes.filter(one => one.own).forEach(one => {
      const rounded = one.window.map(Math.round);
      const isUsual = rounded.every((value, i) => value === Math.round(one.own[i]));
      one.asked = isUsual ? null : rounded;
      one.window = isUsual ? one.own : rounded;
      draw(one);
    }), isAtOnce ? 0 : 200);
  };
  const setView = (zoom, x, y) => {
    view.zoom = clamp(zoom, 1, MOST_ZOOM);
    [view.x, view.y] = view.zoom === 1 ? [0, 0] : [x, y];
    panes.forEach(dress);
  };
  // Around a point, which stays where it is; without one around the middle.
  const zoomBy = (by, pane, event) => {
    const box = (pane ?? panes[0]).well.getBoundingClientRect();
    const [px, py] = event ? [event.clientX - box.x - box.width / 2, event.clientY - box.y - box.height / 2] : [0, 0];
    const factor = clamp(view.zoom * by, 1, MOST_ZOOM) / view.zoom;
    setView(view.zoom * by, px - (px - view.x) * factor, py - (py - view.y) * factor);
  };

  const windows = [...document.querySelectorAll('#windows a')];
  const choose = link => {
    windows.forEach(one => one.removeAttribute('aria-current'));
    link.setAttribute('aria-current', 'true');
    const values = pair(link.dataset.values);
    panes.filter(pane => pane.own).forEach(pane => setWindow(pane, link === windows[0] || !values ? pane.own : values, true));
    const address = new URL(link.href).searchParams.get('window');
    const here = new URL(location.href);
    if (address) here.searchParams.set('window', address);
    else here.searchParams.delete('window');
    history.replaceState(null, '', here);
  };
  windows.forEach(link => link.addEventListener('click', event => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    choose(link);
  }));

  const cine = document.getElementById('cine');
  let playing;
  const play = () => {
    clearInterval(playing);
    playing = playing ? null : setInterval(() => {
      const [pane] = panes;
      if (!pane.busy) go(pane, (pane.at + 1) % pane.frames.length);
    }, 1000 / panes[0].rate);
    cine.setAttribute('aria-pressed', String(Boolean(playing)));
  };
  cine?.addEventListener('click', play);

  const tools = document.querySelectorAll('[name=tool]');
  const isTouch = matchMedia('(pointer: coarse)').matches;
  tools.forEach(tool => { tool.checked = tool.value === (isTouch ? 'scroll' : 'window'); });
  const tool = () => [...tools].find(one => one.checked).value;
  const step = (pane, by) => go(pane, pane.at + by);

  const drag = (pane, event, before) => {
    const [dx, dy] = [event.clientX - before.x, event.clientY - before.y];
    const kind = event.buttons & 6 ? 'pan' : tool();
    if (kind === 'pan') return setView(view.zoom, view.x + dx, view.y + dy);
    if (kind === 'window') {
      const [center, width] = pane.window;
      const unit = Math.max(width, 20) / 300;
      return setWindow(pane, [center + dy * unit, width + dx * unit]);
    }
    pane.pulled = (pane.pulled ?? 0) + dy;
    const steps = Math.trunc(pane.pulled / STEP_PX);
    pane.pulled -= steps * STEP_PX;
    if (steps) step(pane, steps);
  };
  for (const pane of panes) {
    const held = new Map();
    const spread = ([a, b]) => Math.hypot(a.x - b.x, a.y - b.y);
    pane.well.addEventListener('pointerdown', event => {
      held.set(event.pointerId, { x: event.clientX, y: event.clientY });
      pane.well.setPointerCapture(event.pointerId);
    });
    pane.well.addEventListener('pointermove', event => {
      const before = held.get(event.pointerId);
      if (!before) return;
      const wide = held.size === 2 ? spread([...held.values()]) : 0;
      held.set(event.pointerId, { x: event.clientX, y: event.clientY });
      if (held.size === 1) return drag(pane, event, before);
      if (held.size > 2) return;
      setView(view.zoom, view.x + (event.clientX - before.x) / 2, view.y + (event.clientY - before.y) / 2);
      zoomBy(spread([...held.values()]) / (wide || 1), pane, event);
    });
    for (const kind of ['pointerup', 'pointercancel']) {
      pane.well.addEventListener(kind, event => { held.delete(event.pointerId); pane.pulled = 0; });
    }
    pane.well.addEventListener('contextmenu', event => event.preventDefault());
    let turned = 0;
    pane.well.addEventListener('wheel', event => {
      event.preventDefault();
      if (event.ctrlKey) return zoomBy(event.deltaY < 0 ? 1.1 : 1 / 1.1, pane, event);
      turned += event.deltaMode ? event.deltaY * 40 : event.deltaY;
      const steps = Math.trunc(turned / 40);
      if (!steps) return;
      turned = 0;
      step(pane, Math.sign(steps));
    }, { passive: false });
    pane.slide?.addEventListener('input', () => go(pane, Number(pane.slide.value) - 1));
    pane.element.querySelector('select')?.addEventListener('change', event => event.target.form.requestSubmit());
  }

  document.querySelectorAll('[data-zoom]').forEach(button =>
    button.addEventListener('click', () => zoomBy(Number(button.dataset.zoom))));
  const reset = () => {
    setView(1, 0, 0);
    if (windows.length) choose(windows[0]);
    else panes.forEach(pane => setWindow(pane, pane.usual, true));
  };
  document.getElementById('reset').addEventListener('click', reset);
  document.querySelectorAll('[data-step]').forEach(link => link.addEventListener('click', event => {
    event.preventDefault();
    step(panes[0], Number(link.dataset.step));
  }));

  const acts = {
    ArrowDown: () => step(panes[0], 1), ArrowRight: () => step(panes[0], 1),
    ArrowUp: () => step(panes[0], -1), ArrowLeft: () => step(panes[0], -1),
    PageDown: () => step(panes[0], 10), PageUp: () => step(panes[0], -10),
    Home: () => go(panes[0], 0), End: () => go(panes[0], panes[0].frames.length - 1),
  };
  const single = {
    ' ': () => cine && play(),
    '+': () => zoomBy(1.25), '=': () => zoomBy(1.25), '-': () => zoomBy(0.8), 0: reset,
    w: () => windows.length && choose(windows[(windows.findIndex(one => one.hasAttribute('aria-current')) + 1) % windows.length]),
    l: () => together?.click(),
  };
  document.addEventListener('keydown', event => {
    const isPlain = event.getModifierState('AltGraph') || !(event.ctrlKey || event.altKey || event.metaKey);
    if (event.defaultPrevented || !isPlain || document.getElementById('keys')?.open) return;
    if (event.target.matches('input, select, textarea') || (event.key === ' ' && event.target.matches('a, button'))) return;
    const isOn = document.documentElement.hasAttribute('data-keys') || !document.getElementById('keys');
    const link = isOn && !event.repeat && document.querySelector(`a[data-shortcut="${CSS.escape(event.key)}"]`);
    if (link) location.assign(link.href);
    else if (acts[event.key]) acts[event.key]();
    else if (isOn && single[event.key.toLowerCase()]) single[event.key.toLowerCase()]();
    else return;
    event.preventDefault();
  });

  panes.forEach(pane => {
    const [first, at] = [pane.image, pane.at];
    const check = () => { if (first === pane.image && !first.hidden) lose(pane, at); };
    first.addEventListener('error', check);
    if (first.complete && !first.naturalWidth) check();
    lookAhead(pane);
  });
})();
