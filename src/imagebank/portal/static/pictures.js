// A picture that does not come gives way to the modality that stands behind it. Nothing else needs this script.
(() => {
  const giveWay = picture => {
    if (picture.matches?.('.thumb img')) picture.remove();
  };
  document.addEventListener('error', event => giveWay(event.target), true);
  for (const picture of document.images) if (picture.complete && !picture.naturalWidth) giveWay(picture);
})();
