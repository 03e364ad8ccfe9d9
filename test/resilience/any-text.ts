import fc from 'fast-check';

/** Any UTF-16 units at all, lone surrogates and control characters included. */
export function anyText(maxLength: number): fc.Arbitrary<string> {
  return fc
    .uint16Array({ maxLength })
    .map((units) => Array.from(units, (unit) => String.fromCharCode(unit)).join(''));
}
