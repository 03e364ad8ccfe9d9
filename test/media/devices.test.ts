import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  listDevices,
  listV4l2,
  parseAlsa,
  parseAvfoundation,
  parseDshow,
  parsePulse,
} from '../../lib/media/devices';
import { LiveCapture } from '../../lib/media/live';
import { scratchFolder } from './fixtures';

describe('the list of devices', () => {
  const folder = scratchFolder();

  it('reads what ALSA lists, recording devices only', () => {
    const pcm = [
      '00-00: ALC257 Analog : ALC257 Analog : playback 1 : capture 1',
      '00-03: HDMI 0 : HDMI 0 : playback 1',
      '01-00: USB Audio : USB Audio : capture 1',
    ].join('\n');
    expect(parseAlsa(pcm).map(({ name, label }) => [name, label])).to.deep.equal([
      ['default', 'default (ALSA)'],
      ['plughw:0,0', 'ALC257 Analog'],
      ['plughw:1,0', 'USB Audio'],
    ]);
    expect(parseAlsa('')).to.deep.equal([]);
  });

  it('reads what FFmpeg lists for PulseAudio, AVFoundation and DirectShow', () => {
    const pulse = 'Auto-detected sources for pulse:\n* alsa_input.pci [Built-in Audio] (none)\n  usb.mono [Webcam Mic] (none)\n'; // prettier-ignore
    expect(parsePulse(pulse).map(({ name }) => name)).to.deep.equal(['alsa_input.pci', 'usb.mono']);
    const mac = [
      '[AVFoundation indev @ 0x7f8] AVFoundation video devices:',
      '[AVFoundation indev @ 0x7f8] [0] FaceTime HD Camera',
      '[AVFoundation indev @ 0x7f8] AVFoundation audio devices:',
      '[AVFoundation indev @ 0x7f8] [0] MacBook Pro Microphone',
    ].join('\n');
    expect(parseAvfoundation(mac)).to.deep.equal([
      { kind: 'camera', system: 'avfoundation', name: '0', label: 'FaceTime HD Camera' },
      { kind: 'microphone', system: 'avfoundation', name: '0', label: 'MacBook Pro Microphone' },
    ]);
    const windows = [
      '[dshow @ 000001] "Integrated Camera" (video)',
      '[dshow @ 000001]   Alternative name "@device_pnp_x"',
      '[dshow @ 000001] "Microphone (Realtek Audio)" (audio)',
    ].join('\n');
    expect(parseDshow(windows).map(({ kind, name }) => [kind, name])).to.deep.equal([
      ['camera', 'Integrated Camera'],
      ['microphone', 'Microphone (Realtek Audio)'],
    ]);
  });

  it('reads the cameras of Linux, once each', async () => {
    for (const [node, index] of [
      ['video0', '0'],
      ['video1', '1'],
      ['video10', '0'],
    ] as const) {
      // prettier-ignore
      mkdirSync(join(folder, node));
      writeFileSync(join(folder, node, 'name'), `Camera at ${node}\n`);
      writeFileSync(join(folder, node, 'index'), `${index}\n`);
    }
    const cameras = await listV4l2(folder);
    expect(cameras.map(({ name }) => name)).to.deep.equal(['/dev/video0', '/dev/video10']);
    expect(await listV4l2(join(folder, 'none'))).to.deep.equal([]);
  });

  it('gives, on this machine, only names that a capture accepts', async () => {
    const devices = await listDevices();
    for (const device of devices) {
      const source =
        device.kind === 'microphone'
          ? ({ kind: 'device', microphone: device } as const)
          : ({ kind: 'device', camera: device } as const);
      const wants =
        device.kind === 'microphone' ? { audio: { sampleRateHz: 16_000 } } : { video: { fps: 5 } };
      expect(() => new LiveCapture(source, wants)).to.not.throw();
    }
    expect(devices).to.be.an('array');
  });
});
