import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'chai';
import { checkedUrl, NO_NAMES, openNamed, printable } from '../../lib/media/access';
import { expectFailure, scratchFolder } from './fixtures';

describe('names from a message', () => {
  const root = scratchFolder();
  const allowed = join(root, 'allowed');
  const access = { folders: [allowed], schemes: [] } as const;

  before(() => {
    mkdirSync(join(allowed, 'deep'), { recursive: true });
    writeFileSync(join(allowed, 'deep', 'a.wav'), 'x');
    writeFileSync(join(allowed, 'empty.wav'), '');
    writeFileSync(join(root, 'secret.wav'), 'x');
    symlinkSync(join(root, 'secret.wav'), join(allowed, 'link.wav'));
    symlinkSync(join(allowed, 'deep', 'a.wav'), join(allowed, 'inner.wav'));
    execFileSync('mkfifo', [join(allowed, 'pipe.wav')]);
  });

  it('opens a file in an allowed folder, relative or absolute, through inner links', async () => {
    const path = join(allowed, 'deep', 'a.wav');
    for (const name of ['deep/a.wav', path, 'inner.wav', 'deep/../deep/a.wav']) {
      expect(await openNamed(name, access)).to.deep.equal({ kind: 'file', path });
    }
  });

  it('refuses what lies outside, also behind a link, and does not tell whether it exists', async () => {
    const outside = ['../secret.wav', join(root, 'secret.wav'), 'link.wav', '/etc/passwd'];
    for (const name of [...outside, '../no-such-file.wav', '']) {
      await expectFailure(openNamed(name, access), 'media.refused');
    }
    // A sibling whose name begins like the allowed folder is not inside it.
    await expectFailure(openNamed(`${allowed}-other/a.wav`, access), 'media.refused', /outside/);
  });

  it("refuses FFmpeg's protocols in a name", async () => {
    const names = [
      'concat:deep/a.wav|../secret.wav',
      'file:deep/a.wav',
      'file:///etc/passwd',
      'http://127.0.0.1/a.wav',
      'subfile,,start,0,end,9,,:deep/a.wav',
      'pipe:0',
      'data:audio/wav;base64,AAAA',
      'crypto:deep/a.wav',
      'rtsp://127.0.0.1/a',
      'tcp://127.0.0.1:1',
      'fd:3',
      'unix:/run/x.sock',
    ];
    for (const name of names) await expectFailure(openNamed(name, access), 'media.refused');
  });

  it('refuses pipes and folders, which could be read for ever', async () => {
    await expectFailure(openNamed('pipe.wav', access), 'media.refused', /regular file/);
    await expectFailure(openNamed('deep', access), 'media.refused', /regular file/);
  });

  it('says when a file is missing, empty, or named with a NUL', async () => {
    await expectFailure(openNamed('none.wav', access), 'media.not-found');
    await expectFailure(openNamed('empty.wav', access), 'media.empty', /0 bytes/);
    await expectFailure(openNamed('deep/a.wav\0.txt', access), 'media.refused', /NUL/);
    writeFileSync(join(allowed, 'take:1.wav'), 'x');
    expect(await openNamed('./take:1.wav', access)).to.have.property('kind', 'file');
    await expectFailure(openNamed('a.wav', NO_NAMES), 'media.refused', /allows no folder/);
  });

  it('allows the protocols that the node allows, and no others', async () => {
    const web = { folders: [], schemes: ['https'] } as const;
    expect(await openNamed('https://example.org/a b.mp3', web)).to.deep.equal({
      kind: 'url',
      url: 'https://example.org/a%20b.mp3',
    });
    await expectFailure(openNamed('http://example.org/a.mp3', web), 'media.refused', /https/);
    expect(() => checkedUrl('https://', web)).to.throw('not an address');
  });

  it('keeps passwords and control characters out of messages', () => {
    expect(printable('rtsp://user:secret@camera/1\n2')).to.equal('rtsp://camera/1?2');
  });
});
