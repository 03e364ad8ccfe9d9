import { expect } from 'chai';
import { wordUnitTable } from '../../lib/opinion/fold';
import { Shingler } from '../../lib/opinion/shingles';
import { murmurHash3 } from '../../lib/resilience/murmur-hash3';
import { generator } from './days';

const ALL = 1_000_000;

function hashOf(shingle: string): number {
  const bytes = Buffer.from(shingle.slice(0, 1000));
  return murmurHash3(bytes, 0, bytes.length) >>> 0;
}

/** Units and shingles as strings, by the definition. */
function shinglesOf(text: string): string[] {
  const words = wordUnitTable();
  const isWord = (unit: string) => words[unit.charCodeAt(0)] === 1;
  const units = text.split(' ').flatMap((run) => {
    const found: string[] = [];
    let open = false;
    for (const character of run) {
      if (isWord(character) && open) found[found.length - 1] += character;
      else found.push(character);
      open = isWord(character);
    }
    return found;
  });
  const shingles = units.flatMap((unit, at) => {
    if (!isWord(unit)) return at + 3 <= units.length ? [units.slice(at, at + 3).join('')] : [];
    return at > 0 && isWord(units[at - 1]!) ? [`${units[at - 1]} ${unit}`] : [];
  });
  if (shingles.length > 0 || units.length === 0) return shingles;
  return [units.join(' ')];
}

function sorted(hashes: Iterable<number>): number[] {
  return [...new Set(hashes)].sort((a, b) => a - b);
}

describe('shingles', () => {
  it('are three characters, or two words', () => {
    const shingler = new Shingler();
    const hashes = (text: string) => [...shingler.hashes(text, ALL)];
    expect(hashes('地铁又涨价')).to.deep.equal(sorted(['地铁又', '铁又涨', '又涨价'].map(hashOf)));
    expect(hashes('they raise fares')).to.deep.equal(
      sorted(['they raise', 'raise fares'].map(hashOf)),
    );
    expect(hashes('坐 metro line二号')).to.deep.equal(
      sorted(['坐metroline', 'metro line'].map(hashOf)),
    );
    expect(hashes('ok')).to.deep.equal([hashOf('ok')]);
    expect(hashes('好 的')).to.deep.equal([hashOf('好 的')]);
    expect(hashes('')).to.deep.equal([]);
  });

  it('are those of the definition for texts of all scripts and lengths', () => {
    const shingler = new Shingler();
    const random = generator(5);
    const bits = [
      '中',
      '文',
      '𠀀',
      '😀',
      'ไ',
      '한',
      'カ',
      'ñ',
      'abc',
      'x',
      'и',
      'l'.repeat(700),
      '7',
      ' ',
    ];
    for (let round = 0; round < 400; round += 1) {
      const length = Math.floor(round % 40 === 0 ? 2000 * random() : 12 * random());
      const text = Array.from({ length }, () => bits[Math.floor(random() * bits.length)]!)
        .join('')
        .replace(/ +/g, ' ')
        .trim();
      const expected = sorted(shinglesOf(text).map(hashOf));
      expect([...shingler.hashes(text, ALL)], text).to.deep.equal(expected);
      expect([...shingler.hashes(text, 4)], text).to.deep.equal(expected.slice(0, 4));
    }
  });
});
