// Keys that act alone: the search box, rows of a list, links that name one, this list of keys. They can be switched off; Tab and Enter do the same.
(() => {
  const OFF = 'keys-off';
  const list = document.getElementById('keys');
  const remembered = () => {
    try {
      return localStorage.getItem(OFF);
    } catch {
      return null; // a browser that keeps nothing
    }
  };
  const isOn = () => !remembered();
  const isTyping = element => element.matches('input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]');
  const rows = () => [...document.querySelectorAll('[data-row]')].filter(row => row.checkVisibility());

  const box = document.querySelector('input[type=search]');
  const mark = () => document.documentElement.toggleAttribute('data-keys', isOn());
  mark();
  const choice = document.getElementById('keys-on');
  choice.checked = isOn();
  choice.addEventListener('change', () => {
    try {
      if (choice.checked) localStorage.removeItem(OFF);
      else localStorage.setItem(OFF, '1');
    } catch {
      choice.checked = true;
    }
    mark();
  });

  const step = by => {
    const all = rows();
    const at = all.indexOf(document.activeElement);
    const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by;
    if (!all[next]) return false;
    all[next].focus();
    return true;
  };

  const follow = key => {
    const link = /^[a-z]$/.test(key) ? document.querySelector(`a[aria-keyshortcuts="${key}"]`) : null;
    if (!link?.checkVisibility()) return false;
    location.assign(link.href);
    return true;
  };

  document.addEventListener('keydown', event => {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || list.open || !isOn()) return;
    const target = event.target;
    const isInBox = target === box;
    if (isTyping(target) && !(isInBox && event.key === 'ArrowDown')) return;
    const isInList = target === document.body || isInBox || target.hasAttribute('data-row');
    if (event.key === '/' && box) box.select(), box.focus();
    else if (event.key === '?') list.showModal();
    else if (!event.repeat && follow(event.key)) ;
    else if (event.key === 'ArrowDown' && isInList && step(1)) ;
    else if (event.key === 'ArrowUp' && target.hasAttribute('data-row') && step(-1)) ;
    else return;
    event.preventDefault();
  });
})();
