// A real OpenID provider for the tests, on loopback: everybody is who they type, in the groups that their name says.
// Started with the port, the client's redirect address and its secret; it says "ready" when it listens.
import Provider from 'oidc-provider';

const [port, back, secret] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;

const provider = new Provider(issuer, {
  clients: [{ client_id: 'imagebank', client_secret: secret, redirect_uris: [back] }],
  claims: { openid: ['sub'], groups: ['groups'] },
  pkce: { required: () => true, methods: ['S256'] },
  findAccount: (_ctx, id) => ({
    accountId: id,
    claims: async () => ({ sub: id, groups: id.split('-').slice(1) }),
  }),
});
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
