// A row that is gone to, or pressed, stands beside the list, and `c` compares. Without this, links and a form do the same.
(() => {
  const side = document.getElementById('beside');
  const form = document.getElementById('compare');
  if (!side) return;
  const compare = form.querySelector('button');
  const ticked = () => document.querySelectorAll('input[form=compare]:checked').length;
  const count = () => {
    const many = ticked();
    compare.disabled = many < 2;
    compare.textContent = many < 2 ? compare.dataset.one : compare.dataset.many.replace('{num}', many);
  };
  document.addEventListener('change', count);
  addEventListener('pageshow', count);
  count();

  let wait, asked;
  const show = async (row, signal) => {
    const answer = await fetch(`${new URL(row.href).pathname}/beside`, { signal });
    if (answer.redirected) return location.reload(); // nobody is signed in any more
    if (!answer.ok) throw new Error(answer.status);
    const made = new DOMParser().parseFromString(await answer.text(), 'text/html').body;
    side.replaceChildren(...made.childNodes);
  };
  const choose = row => {
    const line = row.closest('tr');
    if (!side.checkVisibility() || line.hasAttribute('aria-current')) return;
    document.querySelector('tr[aria-current]')?.removeAttribute('aria-current');
    line.setAttribute('aria-current', 'true');
    history.replaceState(null, '', line.querySelector('[data-beside]').href);
    clearTimeout(wait);
    asked?.abort();
    asked = new AbortController();
    const { signal } = asked;
    side.setAttribute('aria-busy', 'true');
    // Whoever goes down the list quickly stops nowhere.
    wait = setTimeout(() => show(row, signal).catch(error => {
      if (error.name !== 'AbortError') side.textContent = side.dataset.lost;
    }).finally(() => { if (!signal.aborted) side.removeAttribute('aria-busy'); }), 150);
  };
  document.addEventListener('focusin', event => { if (event.target.matches('[data-row]')) choose(event.target); });
  document.addEventListener('click', event => {
    const link = event.target.closest('[data-beside]');
    const line = event.target.closest('.studies tbody tr');
    if (!line || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (!link && (event.target.closest('a, button, input, label') || String(getSelection()))) return;
    event.preventDefault();
    line.querySelector('[data-row]').focus();
  });

  document.addEventListener('keydown', event => {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.repeat || event.key.toLowerCase() !== 'c') return;
    if (!document.documentElement.hasAttribute('data-keys') || document.getElementById('keys')?.open) return;
    if (event.target.matches('input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]')) return;
    const link = side.querySelector('[data-compare]');
    if (ticked() > 1) form.requestSubmit();
    else if (link && side.getAttribute('aria-busy') !== 'true') location.assign(link.href);
    else return;
    event.preventDefault();
  });
})();
