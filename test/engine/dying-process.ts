/** A session process that never gets to load anything. */
console.error('the library is not for this machine');
process.exit(7);
