// Preloaded into node-red-dev by validate.mjs: answers for the public catalogue from the file that
// EMOTION_CATALOGUE names, else, when it cannot be reached, as an empty one, so that the ten checks
// that do not need it still run.
'use strict';
const { readFileSync } = require('node:fs');
const Module = require('node:module');

const file = process.env.EMOTION_CATALOGUE;
const load = Module._load;
let patched = false;
Module._load = function (request, parent, isMain) {
  const loaded = load.call(this, request, parent, isMain);
  if (request === 'axios' && !patched) {
    patched = true;
    const get = loaded.get.bind(loaded);
    loaded.get = async (url, config) => {
      const catalogue = /\/catalogue\.json$/.test(url);
      if (catalogue && file) return { data: JSON.parse(readFileSync(file, 'utf8')) };
      try {
        return await get(url, config);
      } catch (error) {
        if (!catalogue || error.response) throw error;
        process.stderr.write('catalogue unreachable\n');
        return { data: { modules: [] } };
      }
    };
  }
  return loaded;
};
