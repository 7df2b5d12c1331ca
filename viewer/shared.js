// For whoever was let in by a card: a bar above the viewer says who shares, until when, and leads back to all of it.
(() => {
  const bar = document.createElement('section');
  bar.id = 'shared';

  const show = ({ words, back, address }) => {
    const link = document.createElement('a');
    link.href = address;
    link.textContent = back;
    const said = document.createElement('span');
    said.textContent = words;
    bar.setAttribute('aria-label', words);
    bar.replaceChildren(said, link);
    document.documentElement.classList.add('shared');
    document.body.prepend(bar);
  };

  // The words are in the language of whoever looks. Nothing comes for whom no card let in.
  const ask = async () => {
    if (document.hidden) return;
    const answer = await fetch('/shared/open', { cache: 'no-store' }).catch(() => null);
    if (answer?.status === 200) show(await answer.json());
  };

  new ResizeObserver(() => {
    document.documentElement.style.setProperty('--shared-bar', `${bar.offsetHeight}px`);
  }).observe(bar);
  document.addEventListener('visibilitychange', ask);
  ask();
})();
