// The viewer's configuration, and the one extension that is ours: what opens first, comparing with a prior, whose
// studies are listed, and going dark.
(() => {
  const equals = value => ({ equals: { value } });
  const isNarrow = matchMedia('(max-width: 760px)').matches;

  // The images that the server has chosen, those of the left study first; of two studies of single images as many of
  // each as have the same side and view. They hang above each other, one study in a row, where there is room.
  const asked = name => (new URLSearchParams(location.search).get(name) ?? '').split(',').filter(Boolean);
  const hung = asked('initialSOPInstanceUID');
  const many = asked('StudyInstanceUIDs').length === 2 && hung.length % 2 === 0 ? Math.max(hung.length / 2, 1) : 1;
  const across = isNarrow ? 1 : many;
  window.imagebankAcross = across;
  const places = [0, 1].flatMap(index => Array.from({ length: across }, (_, i) => ({ index, place: index * many + i })));
  const isHung = place => displaySet => displaySet.instances?.some(one => one.SOPInstanceUID === hung[place]) ?? false;
  const startOf = place => displaySets => {
    const index = displaySets?.[0]?.instances?.findIndex(one => one.SOPInstanceUID === hung[place]) ?? -1;
    return index < 0 ? undefined : { index };
  };

  // The nth study of the address; of its series the one of the image that hangs there, else the one that the address
  // names, else a stack of some length.
  const study = ({ index, place }) => ({
    studyMatchingRules: [{ attribute: 'studyInstanceUIDsIndex', from: 'options', required: true, constraint: equals(index) }],
    seriesMatchingRules: [
      { attribute: 'numImageFrames', required: true, constraint: { greaterThan: { value: 0 } } },
      { attribute: 'numImageFrames', weight: 10, constraint: { greaterThan: { value: 4 } } },
      { attribute: 'isReconstructable', weight: 10, constraint: equals(true) },
      { attribute: 'isDisplaySetFromUrl', weight: 100, constraint: equals(true) },
      { attribute: `isHung${place}`, weight: 1000, constraint: equals(true) },
    ],
  });
  const options = { toolGroupId: 'default', viewportType: 'stack', allowUnmatchedView: true };
  const pane = ({ place }) => ({
    viewportOptions: { ...options, initialImageOptions: { custom: `startOf${place}`, defaultValue: { preset: 'middle' } } },
    displaySets: [{ id: `hung${place}` }],
  });
  const compare = {
    id: 'imagebank.compare',
    name: 'Current | prior',
    locked: true,
    numberOfPriorsReferenced: 1,
    toolGroupIds: ['default'],
    protocolMatchingRules: [
      { id: 'two studies', weight: 1000, attribute: 'StudyInstanceUID', from: 'prior', required: true, constraint: { notNull: true } },
    ],
    displaySetSelectors: Object.fromEntries(places.map(one => [`hung${one.place}`, study(one)])),
    defaultViewport: { viewportOptions: options, displaySets: [{ id: 'hung0', matchedDisplaySetsIndex: -1 }] },
    stages: [{
      name: 'current | prior',
      viewportStructure: { layoutType: 'grid', properties: across > 1 ? { rows: 2, columns: across } : { rows: 1, columns: 2 } },
      viewports: places.map(pane),
    }],
  };

  // OHIF's own protocol opens the first series at its first image, which is often a scout, or air above a head. Here
  // it is the series that the address names, else the longest, in the middle. `original` is OHIF's.
  const opening = original => ({
    ...original,
    displaySetSelectors: {
      defaultDisplaySetId: {
        seriesMatchingRules: [
          { attribute: 'numImageFrames', weight: 10, constraint: { greaterThan: { value: 0 } } },
          { attribute: 'isLongest', weight: 20, constraint: equals(true) },
          { attribute: 'isDisplaySetFromUrl', weight: 100, constraint: equals(true) },
        ],
      },
    },
    stages: original.stages.map(stage => ({
      ...stage,
      viewports: stage.viewports.map(viewport => ({
        ...viewport,
        viewportOptions: {
          ...viewport.viewportOptions,
          initialImageOptions: { custom: 'sopInstanceLocation', defaultValue: { preset: 'middle' } },
        },
      })),
    })),
  });
  const isLongest = (displaySet, { displaySets }) =>
    displaySet.numImageFrames === Math.max(...displaySets.map(other => other.numImageFrames || 0));
  const openWell = hangingProtocols => {
    hangingProtocols.addCustomAttribute('isLongest', 'The longest series of its study', isLongest);
    for (const { place } of places) {
      hangingProtocols.addCustomAttribute(`isHung${place}`, 'Whether the image that hangs there is of it', isHung(place));
      hangingProtocols.addCustomAttribute(`startOf${place}`, 'Which of its images hangs there', startOf(place));
    }
    hangingProtocols.addProtocol('default', opening(hangingProtocols.getProtocolById('default')));
  };

  // OHIF lists every study with the same Patient ID as one patient's. Not every archive hands out an ID once, so a
  // study is left out when its birth date differs, or when its name has no word in common.
  const words = name => (name || '').normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().match(/[\p{L}\p{N}]+/gu) || [];
  const isOnePatient = (a, b) => {
    if (a.patientBirthDate && b.patientBirthDate && a.patientBirthDate !== b.patientBirthDate) return false;
    const [these, those] = [words(a.patientName), words(b.patientName)];
    return !these.length || !those.length || these.some(word => those.includes(word));
  };
  const listOnePatient = studies => {
    const search = studies.search;
    const opened = new Map();
    studies.search = async (...question) => {
      const found = (await search(...question)) ?? [];
      if (question[0]?.studyInstanceUid) found.forEach(study => opened.set(study.studyInstanceUid, study));
      if (!question[0]?.patientId) return found;
      const here = [...opened.values()].filter(study => study.mrn === question[0].patientId);
      return found.filter(study => here.some(one => isOnePatient(one, study)));
    };
  };

  // Of another study that is opened from the list on the left, what leaves a pane black is not offered: reports, marks
  // of key images, presentation states. Of the studies of the address the bank has named what may be shown.
  const LEFT_OUT = ['SR', 'KO', 'PR'];
  const listShown = ({ query, retrieve }) => {
    const metadata = retrieve.series.metadata;
    retrieve.series.metadata = async question => {
      const { StudyInstanceUID: uid, filters } = question ?? {};
      if (!uid || filters?.seriesInstanceUID || asked('StudyInstanceUIDs').includes(uid)) return metadata(question);
      const found = (await query.series.search(uid)) ?? [];
      const shown = found.filter(one => !LEFT_OUT.includes(one.modality)).map(one => one.seriesInstanceUid);
      const isNamed = shown.length && shown.length < found.length;
      return metadata(isNamed ? { ...question, filters: { ...filters, seriesInstanceUID: shown } } : question);
    };
  };

  const plane = imageId => window.cornerstone.metaData.get('imagePlaneModule', imageId) || {};
  // What an image does not say is filled in: frames then lie 1 mm from each other.
  const isPlaced = image => image.imagePositionPatient && image.rowPixelSpacing > 0 && !image.usingDefaultValues;
  const normal = ([a, b, c, d, e, f]) => [b * f - c * e, c * d - a * f, a * e - b * d];
  const along = (direction, point) => direction.reduce((sum, x, i) => sum + x * point[i], 0);
  // An image lies where its middle is: the corners of a tilted one lie somewhere else.
  const middle = ({ imagePositionPatient, imageOrientationPatient, rows, columns, rowPixelSpacing, columnPixelSpacing }) => {
    const [right, down] = [(columnPixelSpacing * (columns - 1)) / 2, (rowPixelSpacing * (rows - 1)) / 2];
    return [0, 1, 2].map(i => imagePositionPatient[i] + imageOrientationPatient[i] * right + imageOrientationPatient[i + 3] * down);
  };
  const MOST_APART = Math.cos((25 * Math.PI) / 180);

  // Of a stack of both sides those of the same side, in proportion; null where an image does not say its side.
  const sidesOf = pane => pane.getImageIds().map(id => window.cornerstone.metaData.get('instance', id)?.ImageLaterality ?? '');
  const proportion = (at, length, others) => Math.round((at * (others - 1)) / Math.max(length - 1, 1));
  const bySide = (ours, theirs) => {
    if (![...ours, ...theirs].every(Boolean)) return null;
    const all = (sides, wanted) => [...sides.keys()].filter(at => sides[at] === wanted);
    return ours.map((side, at) => {
      const [same, found] = [all(ours, side), all(theirs, side)];
      if (!found.length) return proportion(at, ours.length, theirs.length);
      return found[proportion(same.indexOf(at), same.length, found.length)];
    });
  };

  // For each image of one pane the one of the other to show beside it: the nearest in the patient; without a frame of
  // reference in common the middles of both stacks are one place. Where images have no place, or are cut at another
  // angle, in proportion, of photographs those of the same side. The quick look links by the same rule.
  const linksOf = (one, other) => {
    const [these, those] = [one, other].map(pane => pane.getImageIds().map(plane));
    const share = these.map((_, at) => proportion(at, these.length, those.length));
    if (![...these, ...those].every(isPlaced)) {
      const sided = bySide(sidesOf(one), sidesOf(other));
      return sided ? ['view', sided] : ['share', share];
    }
    const [across, through] = [these, those].map(images => normal(images[0].imageOrientationPatient));
    if (Math.abs(along(across, through)) < MOST_APART) return ['share', share];
    const [ours, theirs] = [these, those].map(images => images.map(image => along(across, middle(image))));
    const isCommon = one.getFrameOfReferenceUID() === other.getFrameOfReferenceUID();
    const shift = isCommon ? 0 : ours[(ours.length - 1) >> 1] - theirs[(theirs.length - 1) >> 1];
    const far = (at, place) => Math.abs(theirs[at] + shift - place);
    const nearest = ours.map(place => theirs.reduce((best, _, at) => (far(at, place) < far(best, place) ? at : best), 0));
    return [isCommon ? 'place' : 'middles', nearest];
  };

  // The pane that had the last input drives the one beside it; what that does because of it drives nothing.
  let panes = [];
  const beside = (all, at) => all[(at + all.length / 2) % all.length];
  let driver = null;
  const active = () => window.services?.viewportGridService.getActiveViewportId();
  const drive = ({ target }) => {
    driver = panes.find(({ view }) => view.element.contains(target)) ?? panes.find(({ view }) => view.id === active()) ?? null;
  };
  for (const kind of ['wheel', 'pointerdown', 'keydown']) document.addEventListener(kind, drive, { capture: true, passive: true });
  const lead = from => {
    const { view } = beside(panes, panes.indexOf(from));
    const imageIndex = from.links[from.view.getCurrentImageIdIndex()];
    if (imageIndex !== view.getTargetImageIdIndex()) window.cornerstone.utilities.jumpToSlice(view.element, { imageIndex });
  };
  const follow = ({ currentTarget }) => {
    if (driver?.view.element === currentTarget) lead(driver);
  };

  // Ties the panes once all have data; earlier the slower would drive.
  let linked = null;
  const link = ({ cornerstoneViewportService, viewportGridService, hangingProtocolService }) => {
    if (hangingProtocolService.getState()?.protocolId !== compare.id) return;
    const views = [...viewportGridService.getState().viewports.keys()].map(id => cornerstoneViewportService.getCornerstoneViewport(id));
    if (views.length !== places.length || !views.every(view => view?.getImageIds?.().length && view.getCurrentImageId?.())) return;
    const key = views.map(view => view.getImageIds()[0]).join();
    if (linked === key) return;
    linked = key;
    panes = views.map((view, i) => {
      const [kind, links] = linksOf(view, beside(views, i));
      return { view, kind, links };
    });
    driver = null;
    // For the bar above the panes; single images have nothing to scroll.
    window.imagebankLink = panes.some(pane => pane.links.length > 1) ? panes[0].kind : '';
    dispatchEvent(new Event('imagebank-link'));
    // The same listener twice is one.
    for (const view of views) view.element.addEventListener(window.cornerstone.Enums.Events.STACK_NEW_IMAGE, follow);
    panes.slice(0, across).forEach(lead);
  };
  const extension = {
    id: 'imagebank',
    preRegistration: ({ extensionManager }) => {
      for (const source of extensionManager.getActiveDataSource()) {
        listOnePatient(source.query.studies);
        listShown(source);
      }
    },
    onModeEnter: ({ servicesManager }) => {
      const viewports = servicesManager.services.cornerstoneViewportService;
      [linked, panes] = [null, []];
      openWell(servicesManager.services.hangingProtocolService);
      viewports.subscribe(viewports.EVENTS.VIEWPORT_DATA_CHANGED, () => setTimeout(() => link(servicesManager.services), 0));
    },
    getHangingProtocolModule: () => [{ name: compare.id, protocol: compare }],
  };

  // Go dark as soon as the bank says no: any 401 or 403, on any request, or on the heartbeat.
  let isDark = false;
  const goDark = () => {
    if (isDark) return;
    isDark = true;
    document.documentElement.style.visibility = 'hidden';
    try {
      window.cornerstone?.cache.purgeCache();
    } finally {
      location.replace('/viewer/closed.html');
    }
  };
  const watch = status => {
    if (status === 401 || status === 403) goDark();
  };
  const send = XMLHttpRequest.prototype.send;
  XMLHttpRequest.prototype.send = function (...body) {
    this.addEventListener('loadend', () => watch(this.status));
    return send.apply(this, body);
  };
  const plainFetch = window.fetch;
  window.fetch = async (...request) => {
    const response = await plainFetch(...request);
    watch(response.status);
    return response;
  };
  const beat = () => {
    if (!document.hidden) window.fetch('/api/v1/session', { cache: 'no-store', credentials: 'same-origin' }).catch(() => {});
  };
  setInterval(beat, 5000);
  document.addEventListener('visibilitychange', beat);
  window.addEventListener('pageshow', event => {
    if (event.persisted) location.reload();
  });

  // The way back to our own study list, where OHIF has its mark.
  const home = React => React.createElement('a', { href: '/', className: 'text-foreground px-2 text-lg' }, 'Imagebank');

  // What is not there, or not for whoever looks, has a page with a way back.
  const leave = () => {
    location.replace('/viewer/missing.html');
    return null;
  };
  const closedPanels = { routes: { 0: { layoutInstance: { props: { $merge: { leftPanelClosed: true, rightPanelClosed: true } } } } } };

  window.config = {
    name: 'imagebank',
    whiteLabeling: { createLogoComponentFn: home },
    routerBasename: '/viewer',
    extensions: [extension],
    modes: [],
    modesConfiguration: isNarrow ? { '@ohif/mode-longitudinal': closedPanels } : {},
    customizationService: {
      global: {
        'ohif.tours': { $set: [] },
        'routes.customRoutes': {
          $set: {
            routes: ['/notfoundstudy', '/notfoundserver'].map(path => ({ path, children: leave })),
            notFoundRoute: { path: '*', children: leave },
          },
        },
      },
    },
    showStudyList: false, // ours keeps typed names out of addresses, and knows what the viewer can bear
    maxNumberOfWebWorkers: 3,
    showWarningMessageForCrossOrigin: false,
    showCPUFallbackMessage: true,
    showLoadingIndicator: true,
    strictZSpacingForVolumeViewport: true,
    groupEnabledModesFirst: true,
    investigationalUseDialog: { option: 'never' },
    maxNumRequests: { interaction: 100, thumbnail: 5, prefetch: 25 },
    showErrorDetails: 'production',
    defaultDataSourceName: 'imagebank',
    dataSources: [{
      namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
      sourceName: 'imagebank',
      configuration: {
        friendlyName: 'Imagebank',
        name: 'imagebank',
        qidoRoot: '/dicom-web',
        wadoRoot: '/dicom-web',
        wadoUriRoot: '/wado',
        qidoSupportsIncludeField: true,
        imageRendering: 'wadors',
        thumbnailRendering: 'thumbnail',
        thumbnailRequestStrategy: 'fetch',
        enableStudyLazyLoad: true,
        supportsFuzzyMatching: false,
        supportsWildcard: true,
        staticWado: false,
        singlepart: 'bulkdata,video,pdf',
        bulkDataURI: { enabled: true, relativeResolution: 'studies' },
        omitQuotationForMultipartRequest: true,
      },
    }],
    httpErrorHandler: error => console.warn('the bank answered', error?.status),
  };
})();
