// Runs before everything else of the viewer.
(() => {
  // OHIF would send `?token=` as a bearer token: a link could open the viewer under somebody else's identity.
  const names = [...new URLSearchParams(location.search).keys()].map(name => name.toLowerCase());
  if (names.includes('token')) {
    window.stop();
    location.replace('/viewer/closed.html');
    throw new Error('a link with a token is refused');
  }
  window.PUBLIC_URL = '/viewer/';
  window.browserImportFunction = name => import(name);
})();
