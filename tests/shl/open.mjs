// Opens health links by kill-the-clipboard, and prints what each gave as JSON.
// node open.mjs '[{"link": …, "recipient": …, "passcode": …, "embeddedLengthMax": …, "knownTypes": true}, …]'
import { SHLViewer } from 'kill-the-clipboard';

const types = ['application/fhir+json', 'application/smart-health-card'];

// Version 1.1 refuses a whole manifest that names application/smart-api-access, which the standard has.
async function fetchKnown(url, options) {
  const answer = await fetch(url, options);
  if (!answer.ok || options?.method !== 'POST') return answer;
  const manifest = await answer.json();
  const files = manifest.files.filter((file) => types.includes(file.contentType));
  return new Response(JSON.stringify({ ...manifest, files }), { status: answer.status });
}

async function opened({ link, knownTypes, ...asked }) {
  try {
    const viewer = new SHLViewer({ shlinkURI: link, fetch: knownTypes ? fetchKnown : fetch });
    const { manifest, fhirResources } = await viewer.resolveSHL(asked);
    return { flag: viewer.shl.flag, label: viewer.shl.label, manifest, resources: fhirResources };
  } catch (error) {
    return { error: error.constructor.name, message: error.message };
  }
}

const found = [];
for (const asked of JSON.parse(process.argv[2])) found.push(await opened(asked));
console.log(JSON.stringify(found));
