// Settings of Node-RED in the container; mount a file of your own over /opt/settings.cjs to change more.
const {
  apiKey,
} = require('/opt/node-red/node_modules/@emowire/node-red-emotion/dist/lib/http/api-key');
const { EMOTION_API_KEY, NODE_RED_ADMIN_PASSWORD_HASH, NODE_RED_CREDENTIAL_SECRET } = process.env;

// Compose takes $… in docker/.env for variables of its own, unless the value stands in single quotes.
if (
  NODE_RED_ADMIN_PASSWORD_HASH &&
  !/^\$2[aby]\$\d\d\$[./\w]{53}$/.test(NODE_RED_ADMIN_PASSWORD_HASH)
) {
  throw new Error(
    'NODE_RED_ADMIN_PASSWORD_HASH is not a whole bcrypt hash: in docker/.env it needs single quotes',
  );
}

module.exports = {
  flowFile: 'flows.json',
  flowFilePretty: true,
  uiHost: '0.0.0.0', // of the container; compose.yaml says who can reach it
  uiPort: 1880,
  // What flows remember (rules of topics, what is normal for alerts) outlives a restart.
  contextStorage: { default: { module: 'localfilesystem' } },
  ...(NODE_RED_CREDENTIAL_SECRET && { credentialSecret: NODE_RED_CREDENTIAL_SECRET }),
  // The hash comes from: docker compose -f docker/compose.yaml exec node-red node-red admin hash-pw
  ...(NODE_RED_ADMIN_PASSWORD_HASH && {
    adminAuth: {
      type: 'credentials',
      users: [{ username: 'admin', password: NODE_RED_ADMIN_PASSWORD_HASH, permissions: '*' }],
    },
  }),
  ...(EMOTION_API_KEY && { httpNodeAuth: apiKey(EMOTION_API_KEY) }),
  emotionHttp: { requestsPerMinute: Number(process.env.EMOTION_REQUESTS_PER_MINUTE ?? 0) },
  externalModules: { autoInstall: false, palette: { allowInstall: true }, modules: { allowInstall: true } }, // prettier-ignore
  editorTheme: { tours: false },
  telemetry: { enabled: false, updateNotification: false },
};
