import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import puppeteer, { type Browser, type ConsoleMessage, type Page } from 'puppeteer-core';
import { packageRoot } from '../../lib/models/package-root';

const CANDIDATES = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser'];
const SCREENSHOTS = join(packageRoot(), 'coverage/screenshots');

export function openChromium(): Promise<Browser> {
  const executablePath = CANDIDATES.find((path) => path && existsSync(path));
  if (!executablePath) {
    throw new Error('The browser tests need Chromium: apt-get install chromium, or set CHROMIUM');
  }
  return puppeteer.launch({
    executablePath,
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      // A microphone that beeps and a camera that shows a clock, without asking anybody.
      '--use-fake-device-for-media-stream',
      '--use-fake-ui-for-media-stream',
    ],
  });
}

/** A page and everything that went wrong on it. */
export async function openPage(
  browser: Browser,
  { width = 1400, height = 900 } = {},
): Promise<{ page: Page; problems: string[] }> {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  // Of a browser that shares a slow machine with another Node-RED and another browser.
  page.setDefaultTimeout(120_000);
  await page.setViewport({ width, height });
  const problems: string[] = [];
  page.on('console', (message: ConsoleMessage) => {
    if (message.type() === 'error') problems.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => problems.push(`uncaught: ${String(error)}`));
  page.on('response', (response) => {
    if (response.status() >= 500) problems.push(`${response.status()} ${response.url()}`);
  });
  return { page, problems };
}

/** Closes what a test has opened: a page goes on asking and drawing beside those of the next test. */
export async function closePages(browser: Browser): Promise<void> {
  const contexts = browser.browserContexts();
  const opened = contexts.filter((context) => context !== browser.defaultBrowserContext());
  await Promise.all(opened.map((context) => context.close()));
}

/** Keeps a picture for people in coverage/screenshots/. */
export async function keepScreenshot(page: Page, name: string): Promise<void> {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}
