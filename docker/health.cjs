// Healthy while the flows answer; 401 is an answer too, where a key is asked for.
fetch('http://127.0.0.1:1880/emotion/models', { signal: AbortSignal.timeout(8_000) }).then(
  ({ status }) => process.exit(status < 500 && status !== 404 ? 0 : 1),
  () => process.exit(1),
);
