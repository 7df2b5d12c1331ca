// Keys of the reconciliation queue, while keys are on: each presses what stands on the page. And that somebody is at a task.
(() => {
  const task = document.getElementById('task');
  const form = document.getElementById('confirm');
  const isOn = () => document.documentElement.hasAttribute('data-keys');
  const isTyping = element => element.matches('input:not([type=checkbox], [type=radio]), textarea, [contenteditable]');

  const go = address => {
    if (address) location.assign(address);
    return Boolean(address);
  };
  const press = id => {
    const found = document.getElementById(id);
    if (found) found.requestSubmit();
    return Boolean(found);
  };
  const choose = number => {
    const radio = document.querySelector(`[data-number="${number}"]`);
    if (radio) radio.checked = true, radio.focus();
    return Boolean(radio);
  };
  // What is not likely is asked for by the form itself: its first such field gets the focus, and nothing is sent.
  const confirm = target => {
    if (!form || (target.matches('select') && target.form === form && !target.value)) return false;
    const isFree = target === document.body || (target.form === form && !target.matches('button')) || target.matches('main');
    if (isFree) form.requestSubmit();
    return isFree;
  };
  const layAside = () => {
    const aside = document.getElementById('aside');
    if (!aside) return false;
    if (aside.reason.value) aside.requestSubmit();
    else aside.reason.focus();
    return true;
  };

  document.addEventListener('keydown', event => {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.repeat || !isOn()) return;
    if (document.getElementById('keys')?.open) return;
    const { target, key } = event;
    if (isTyping(target) || (target.matches('select') && key !== 'Enter')) return;
    let done = false;
    if (key === 'Enter') done = confirm(target);
    else if (/^[1-9]$/.test(key)) done = choose(key);
    else if (key === 'j') done = go(task?.dataset.next);
    else if (key === 'k') done = go(task?.dataset.before);
    else if (key === 'p') done = press('later');
    else if (key === 'x') done = layAside();
    else if (key === 'u') done = press('undo');
    if (done) event.preventDefault();
  });

  if (!task || 'taken' in task.dataset) return;
  const address = `/queue/${encodeURIComponent(task.dataset.task)}`;
  const csrf = new URLSearchParams({ csrf: document.querySelector('input[name=csrf]').value });
  let isSent = false;
  document.addEventListener('submit', () => { isSent = true; });
  fetch(`${address}/take`, { method: 'POST', body: csrf }).catch(() => {});
  addEventListener('pagehide', () => { if (!isSent) navigator.sendBeacon(`${address}/release`, csrf); });
})();
