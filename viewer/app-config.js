// The viewer's configuration, and the one extension that is ours: what opens first, comparing with a prior, whose
// studies are listed, and going dark.
(() => {
  const equals = value => ({ equals: { value } });

  // The nth study of the address; of its series the one that the address names, else a stack of some length.
  const study = index => ({
    studyMatchingRules: [{ attribute: 'studyInstanceUIDsIndex', from: 'options', required: true, constraint: equals(index) }],
    seriesMatchingRules: [
      { attribute: 'numImageFrames', required: true, constraint: { greaterThan: { value: 0 } } },
      { attribute: 'numImageFrames', weight: 10, constraint: { greaterThan: { value: 4 } } },
      { attribute: 'isReconstructable', weight: 10, constraint: equals(true) },
      { attribute: 'isDisplaySetFromUrl', weight: 100, constraint: equals(true) },
    ],
  });
  const options = { toolGroupId: 'default', viewportType: 'stack', allowUnmatchedView: true };
  const pane = id => ({
    viewportOptions: { ...options, initialImageOptions: { preset: 'middle' } },
    displaySets: [{ id }],
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
    displaySetSelectors: { current: study(0), prior: study(1) },
    defaultViewport: { viewportOptions: options, displaySets: [{ id: 'current', matchedDisplaySetsIndex: -1 }] },
    stages: [{
      name: 'current | prior',
      viewportStructure: { layoutType: 'grid', properties: { rows: 1, columns: 2 } },
      viewports: [pane('current'), pane('prior')],
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

  const plane = imageId => window.cornerstone.metaData.get('imagePlaneModule', imageId) || {};
  const middle = viewport => {
    const ids = viewport.getImageIds();
    return plane(ids[Math.floor((ids.length - 1) / 2)]);
  };
  const isPlaced = image => image.imagePositionPatient && image.imageOrientationPatient;

  // Where one pane lies from the other, in mm. One frame of reference: by patient position. Otherwise the middles of
  // both stacks are taken as one place; cornerstone finds no registration by itself then, so it is given ours.
  const register = (left, right) => {
    if (left.getFrameOfReferenceUID() === right.getFrameOfReferenceUID()) return [0, 0, 0];
    const [from, to] = [middle(left).imagePositionPatient, middle(right).imagePositionPatient];
    const shift = [0, 1, 2].map(i => to[i] - from[i]);
    const matrix = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, ...shift, 1];
    window.cornerstone.utilities.spatialRegistrationMetadataProvider.add([right.id, left.id], matrix);
    return shift;
  };

  const normal = ([a, b, c, d, e, f]) => [b * f - c * e, c * d - a * f, a * e - b * d];
  const MOST_ALIKE = Math.cos((25 * Math.PI) / 180); // farther apart cornerstone does not link
  const isParallel = (one, other) => {
    const [these, those] = [one, other].map(image => normal(image.imageOrientationPatient));
    return Math.abs(these.reduce((sum, x, i) => sum + x * those[i], 0)) >= MOST_ALIKE;
  };

  // Panes without one place in the body scroll in proportion: the end of one is the end of the other. Whoever had the
  // last input drives; what the other does because of it drives nothing.
  let [together, driver] = [[], null];
  const drive = ({ target }) => {
    driver = together.find(pane => pane.element.contains(target)) ?? together.find(pane => pane.id === active()) ?? null;
  };
  const active = () => window.services?.viewportGridService.getActiveViewportId();
  const follow = ({ currentTarget }) => {
    const other = together.find(pane => pane !== driver);
    if (!other || driver?.element !== currentTarget) return;
    const [last, others] = [driver, other].map(pane => pane.getImageIds().length - 1);
    const imageIndex = Math.round((driver.getCurrentImageIdIndex() / last) * others);
    if (imageIndex !== other.getTargetImageIdIndex()) window.cornerstone.utilities.jumpToSlice(other.element, { imageIndex });
  };
  const linkByShare = panes => {
    together = panes.every(pane => pane.getImageIds().length > 1) ? panes : [];
    // The same listener twice is one.
    for (const pane of together) pane.element.addEventListener(window.cornerstone.Enums.Events.STACK_NEW_IMAGE, follow);
    for (const kind of ['wheel', 'pointerdown', 'keydown']) document.addEventListener(kind, drive, { capture: true, passive: true });
  };

  // Brings both panes to one place and ties their scrolling, once both have data; earlier the slower would drive.
  const GROUP = 'imagebank-slices';
  let linked = null;
  const link = ({ cornerstoneViewportService, viewportGridService, hangingProtocolService, syncGroupService }) => {
    if (hangingProtocolService.getState()?.protocolId !== compare.id) return;
    const panes = [...viewportGridService.getState().viewports.keys()].map(id => cornerstoneViewportService.getCornerstoneViewport(id));
    const [left, right] = panes;
    if (![left, right].every(v => v?.getImageIds?.().length && v.getCurrentImageId?.())) return;
    const key = [left, right].map(v => v.getImageIds()[0]).join();
    if (linked === key) return;
    if (linked) panes.forEach(v => syncGroupService.removeViewportFromSyncGroup(v.id, v.getRenderingEngine().id, GROUP));
    linked = key;
    together = [];
    const [one, other] = [left, right].map(middle);
    if (!isPlaced(one) || !isPlaced(other) || !isParallel(one, other)) return linkByShare([left, right]);
    const shift = register(left, right);
    const wanted = plane(left.getCurrentImageId()).imagePositionPatient.map((x, i) => x + shift[i]);
    const distance = id => Math.hypot(...plane(id).imagePositionPatient.map((x, i) => x - wanted[i]));
    const imageIndex = right.getImageIds().reduce((best, id, i, ids) => (distance(id) < distance(ids[best]) ? i : best), 0);
    window.cornerstone.utilities.jumpToSlice(right.element, { imageIndex }).then(() => {
      for (const v of [left, right]) {
        syncGroupService.addViewportToSyncGroup(v.id, v.getRenderingEngine().id, { type: 'imageSlice', id: GROUP, source: true, target: true });
      }
    });
  };
  const extension = {
    id: 'imagebank',
    preRegistration: ({ extensionManager }) => {
      extensionManager.getActiveDataSource().forEach(source => listOnePatient(source.query.studies));
    },
    onModeEnter: ({ servicesManager }) => {
      const viewports = servicesManager.services.cornerstoneViewportService;
      linked = null;
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
  const isNarrow = matchMedia('(max-width: 760px)').matches;
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
