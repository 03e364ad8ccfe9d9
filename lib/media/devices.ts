import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EmotionError } from '../emotion/error';
import type { DeviceName } from './live';
import { locateFfmpeg } from './locate';
import { runProgram } from './process';

export interface Device extends DeviceName {
  readonly kind: 'microphone' | 'camera';
  /** For a person. */
  readonly label: string;
}

/**
 * ALSA's recording devices.
 *
 * @param pcm text of `/proc/asound/pcm`, e.g. `01-00: USB Audio : USB Audio : capture 1`
 */
export function parseAlsa(pcm: string): Device[] {
  const devices: Device[] = [];
  for (const line of pcm.split('\n')) {
    const [, card, device, rest] = /^(\d+)-(\d+):\s*(.*)$/.exec(line) ?? [];
    if (card === undefined || device === undefined || !rest?.includes('capture')) continue;
    // plughw converts rate and channels where the hardware has only its own.
    devices.push({
      kind: 'microphone',
      system: 'alsa',
      name: `plughw:${Number(card)},${Number(device)}`,
      label: rest.split(':')[0]?.trim() || `card ${Number(card)}`,
    });
  }
  return devices.length === 0
    ? []
    : [
        { kind: 'microphone', system: 'alsa', name: 'default', label: 'default (ALSA)' },
        ...devices,
      ];
}

/** What `ffmpeg -sources pulse` prints: `  name [label]`, a star before the default one. */
export function parsePulse(text: string): Device[] {
  return [...text.matchAll(/^[ *]+(\S+) \[(.*?)\]/gm)].map(([, name = '', label = '']) => ({
    kind: 'microphone',
    system: 'pulse',
    name,
    label,
  }));
}

/** What FFmpeg prints for `-f avfoundation -list_devices true`: two lists with indexes. */
export function parseAvfoundation(text: string): Device[] {
  const devices: Device[] = [];
  let kind: Device['kind'] | undefined;
  for (const line of text.split('\n')) {
    if (/AVFoundation video devices/.test(line)) kind = 'camera';
    else if (/AVFoundation audio devices/.test(line)) kind = 'microphone';
    const [, name, label] = /\]\s+\[(\d+)\]\s+(.+?)\s*$/.exec(line) ?? [];
    if (kind && name !== undefined && label !== undefined) {
      devices.push({ kind, system: 'avfoundation', name, label });
    }
  }
  return devices;
}

/** What FFmpeg 5 and later print for `-f dshow -list_devices true`: `"label" (audio)`. */
export function parseDshow(text: string): Device[] {
  return [...text.matchAll(/"([^"@][^"]*)" \((audio|video)(?:, (?:audio|video))?\)/g)].map(
    ([, label = '', kind]) => ({
      kind: kind === 'audio' ? 'microphone' : 'camera',
      system: 'dshow',
      name: label,
      label,
    }),
  );
}

/**
 * Cameras of Linux.
 *
 * @param folder `/sys/class/video4linux`
 */
export async function listV4l2(folder = '/sys/class/video4linux'): Promise<Device[]> {
  const names = await readdir(folder).catch(() => []);
  const devices = await Promise.all(
    names
      .filter((name) => /^video\d+$/.test(name))
      .sort((a, b) => Number(a.slice(5)) - Number(b.slice(5)))
      .map(async (name): Promise<Device | undefined> => {
        // Each camera has further nodes for its metadata; only index 0 gives pictures.
        const index = await readFile(join(folder, name, 'index'), 'utf8').catch(() => '0');
        if (index.trim() !== '0') return undefined;
        const label = await readFile(join(folder, name, 'name'), 'utf8').catch(() => name);
        return { kind: 'camera', system: 'v4l2', name: `/dev/${name}`, label: label.trim() };
      }),
  );
  return devices.filter((device) => device !== undefined);
}

/**
 * Microphones and cameras of this machine, for the editor's list. A sound system that is not there
 * gives none.
 *
 * @throws {EmotionError} `media.ffmpeg-missing`
 */
export async function listDevices(platform: NodeJS.Platform = process.platform): Promise<Device[]> {
  const { ffmpeg } = await locateFfmpeg();
  const ask = async (args: string[]): Promise<string> => {
    try {
      const { stdout, lines } = await runProgram(ffmpeg, ['-hide_banner', ...args], {
        name: 'the list of devices',
        timeoutMs: 5000,
      });
      return `${stdout}\n${lines.join('\n')}`;
    } catch (error) {
      if (error instanceof EmotionError) return '';
      throw error;
    }
  };
  switch (platform) {
    case 'darwin':
      return parseAvfoundation(
        await ask(['-f', 'avfoundation', '-list_devices', 'true', '-i', '']),
      );
    case 'win32':
      return parseDshow(await ask(['-f', 'dshow', '-list_devices', 'true', '-i', 'dummy']));
    default: {
      const [alsa, pulse, cameras] = await Promise.all([
        readFile('/proc/asound/pcm', 'utf8').then(parseAlsa, () => []),
        ask(['-sources', 'pulse']).then(parsePulse),
        listV4l2(),
      ]);
      return [...pulse, ...alsa, ...cameras];
    }
  }
}
