// What docs/kubernetes.md has people type to look at a cluster, and the objects that the pages for Kubernetes' users show.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Block, userPages } from '../docs/pages.js';
import { attached, podOf } from './annotated.js';
import { imageNode } from './config.js';
import { managerNodes, managerPod, nobodyConnected, system } from './installation.js';
import { kubectl } from './kubectl.js';
import { endpoints } from './pods.js';
import { TestNamespace } from './test-namespace.js';

const run = promisify(execFile);
const service = 'secure-gateway';
const pages = userPages().filter(({ path }) => /kubernetes|from-/.test(path));

/** The block of the page for Kubernetes that has this text. */
function blockWith(text: string): Block {
  const found = pages
    .find(({ path }) => path === 'docs/kubernetes.md')
    ?.blocks.find(({ lines }) => lines.some((line) => line.includes(text)));
  if (!found) throw new Error(`docs/kubernetes.md has no ${text}`);
  return found;
}

describe('the page for Kubernetes', () => {
  let here: TestNamespace;
  let node: string;
  let pod: string;
  beforeAll(async () => {
    await nobodyConnected();
    here = await TestNamespace.create('page');
    [node = ''] = await managerNodes();
    await here.apply(endpoints('gw', 'icmp-responder', service), attached('web', service, { node }));
    await here.rolledOut('deployment/web');
    pod = (await podOf(here, 'web')).metadata.name;
  });
  afterAll(async () => {
    await here?.[Symbol.asyncDispose]();
  });

  /** What a line prints that is typed after the functions of the page. */
  async function typed(line: string): Promise<string> {
    const functions = blockWith('manager-of()').lines.filter((one) => one.includes('() {'));
    const script = [...functions, line].join('\n');
    const own = script
      .replaceAll('worker-1.tar.gz', '/dev/null')
      .replaceAll('worker-1', node)
      .replaceAll('team-a/web', `${here.name}/${pod}`);
    const { stdout } = await run('bash', ['-euc', own], { maxBuffer: 16 << 20 });
    return stdout;
  }

  const commands = blockWith('manager-of()').lines.filter((line) => line.startsWith('nsm-on worker'));
  const shown = [/all is well|managers/, /SYNCED/, /SYNCED/, /would be connected/, /checks are well/, /^$/];

  it.each(commands.map((line, index) => [line.replace(/ +#.*/, ''), shown[index]] as const))(
    '%s',
    async (line, text) => {
      expect(await typed(line)).toMatch(text ?? /^never$/);
    },
  );

  it('shows the page of the mesh in the pod of a manager', async () => {
    const [dashboard = ''] = blockWith('nsm dashboard').lines.filter((line) =>
      line.includes('nsm dashboard'),
    );
    const look = `
      const look = () => fetch('http://127.0.0.1:7070/').then(({ status }) => console.log(status), () => setTimeout(look, 200));
      look();`;
    const looking = `kubectl -n ${system.name} exec ${await managerPod(node)} -- ${imageNode} -e "${look}"`;
    const script = ["trap 'kill %1' EXIT", dashboard.replace('&', '>/dev/null 2>&1 &'), looking];
    expect(await typed(script.join('\n'))).toMatch(/^200$/m);
  });

  it('lists what there is', async () => {
    const [, ...lines] = blockWith('kubectl get nse,netsvc').lines;
    const printed = await kubectl(['get', 'nse,netsvc,nsmgr,nspol', '-A']);
    const [heading = ''] = lines;
    expect(printed.split('\n')[0]?.split(/\s+/)).toEqual(heading.split(/\s+/));
  });

  it('gives pods of all nodes one segment, as those who come from Multus have it', async () => {
    const annotation = 'kernel://lan/net1';
    const securityContext = {
      runAsUser: 0,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] },
    };
    await here.apply(
      endpoints('lan', 'bridge', 'lan', { args: ['--prefix', '10.70.0.0/24'], securityContext }),
      attached('one', 'lan', { node, annotation }),
      attached('two', 'lan', { node: (await managerNodes()).at(-1) ?? '', annotation }),
    );
    for (const name of ['one', 'two']) await here.rolledOut(`deployment/${name}`);
    const [address = ''] = await here.addresses('deployment/two', 'net1');
    expect(address).toMatch(/^10\.70\.0\.\d+\/24$/);
    await here.ping('deployment/one', address.replace(/\/.*/, ''));
  });

  it.each(pages.flatMap(({ blocks }) => blocks.filter(isObject)).map((block) => [place(block), block]))(
    'shows objects that the API server takes: %s',
    async (_, { lines }) => {
      await here.kubectl(['apply', '--dry-run=server', '-f', '-'], {
        input: lines.join('\n').replaceAll('namespace: nsm-system', `namespace: ${here.name}`),
      });
    },
  );
});

const isObject = ({ language, lines }: Block): boolean =>
  language === 'yaml' && lines.some((line) => line.startsWith('apiVersion:'));
const place = ({ path, line }: Block): string => `${path}:${line}`;
