// A real OpenID provider for the tests, on loopback: everybody is who they type, in the groups that their name says.
// Started with the port, the client's redirect address and its secret; it says "ready" when it listens. With a second
// port it listens there as "localhost", too, and has programs ask it there.
import Provider from 'oidc-provider';

const [port, back, secret, second] = process.argv.slice(2);
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
if (second) {
  provider.use(async (ctx, next) => {
    await next();
    if (ctx.path === '/.well-known/openid-configuration') {
      for (const name of ['token_endpoint', 'userinfo_endpoint', 'jwks_uri']) {
        ctx.body[name] = ctx.body[name].replace(issuer, `http://localhost:${second}`);
      }
    }
  });
}
provider.listen(Number(port), '127.0.0.1', () => {
  if (second) provider.listen(Number(second), '127.0.0.1', () => console.log('ready'));
  else console.log('ready');
});
