// Healthy while the flows answer; 401 is an answer too, where a key is asked for. `docker inspect` shows what is printed.
const address = 'http://127.0.0.1:1880/emotion/models';

fetch(address, { signal: AbortSignal.timeout(8_000) }).then(
  ({ status }) => {
    const well = status < 500 && status !== 404;
    console.log(`${address} answered ${status}${well ? '' : ': is the flow "HTTP API" deployed?'}`);
    process.exit(well ? 0 : 1);
  },
  (error) => {
    console.log(`${address} does not answer: ${error.cause?.message ?? error.message}`);
    process.exit(1);
  },
);
