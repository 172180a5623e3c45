// A browser without a window, and the page of a dashboard in it.
import { accessSync, constants, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** For `describe.skipIf(!requireBrowser('views'))`: true where Chromium is; otherwise says how it gets here. */
export function requireBrowser(suite: string): boolean {
  if (findChromium() !== undefined) return true;
  process.stderr.write(
    `SKIPPED ${suite}: there is no Chromium. Install the Debian package chromium, as npm test does for root\n`,
  );
  return false;
}

function findChromium(): string | undefined {
  return (process.env.PATH ?? '')
    .split(':')
    .flatMap((folder) => ['chromium', 'chromium-browser', 'google-chrome'].map((name) => join(folder, name)))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

export class Pages implements AsyncDisposable {
  readonly #browser: Browser;
  /** What pages have complained of: nothing may. */
  readonly complaints: string[] = [];

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async open(): Promise<Pages> {
    const executablePath = findChromium();
    if (executablePath === undefined) throw new Error('there is no Chromium');
    // Root has no sandbox of Chromium's, and here nothing but the page is opened.
    return new Pages(await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] }));
  }

  /** The page of its own context, without anything of an earlier one. @param path behind `/` */
  async page(url: string, path: string = '', options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.#browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    page.on('pageerror', (error) => this.complaints.push(error.message));
    page.on('console', (message) => {
      // A server that is away is no mistake of the page.
      const isAway = /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY_RESPONSE|401|net::/.test(
        message.text(),
      );
      if (['error', 'warning'].includes(message.type()) && !isAway) this.complaints.push(message.text());
    });
    await page.goto(new URL(path, url).href);
    return page;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}

/** Goes to another view of a page that is open, as a link in it does: without loading it anew. @param path with `/` */
export async function goTo(page: Page, path: string): Promise<void> {
  await page.evaluate(
    `history.pushState(null, '', ${JSON.stringify(path)}); dispatchEvent(new PopStateEvent('popstate'))`,
  );
}

/** Resolves when the page hears from its server. */
export async function isLive(page: Page): Promise<void> {
  await page.locator('.liveness.live').waitFor();
}

/**
 * What axe finds that keeps somebody from using the page: of impact serious or critical, in WCAG 2.2 A and AA and its best practices.
 * @param rules Default: all.
 */
export async function barriers(page: Page, rules?: readonly string[]): Promise<string[]> {
  await page.evaluate(`globalThis.axe ?? (() => { ${axeSource} })()`);
  const { violations } = await page.evaluate<{
    readonly violations: readonly {
      readonly id: string;
      readonly impact: string;
      readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
    }[];
  }>(`axe.run(${JSON.stringify(rules ? { runOnly: rules } : {})})`);
  return violations
    .filter(({ impact }) => ['serious', 'critical'].includes(impact))
    .map(
      ({ id, nodes }) =>
        `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('\n')}`,
    );
}
