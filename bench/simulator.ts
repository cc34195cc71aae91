// Whether the GPU is the Metal simulator's (`npm run sim -- npm run bench`), and its counters.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const folder = process.env['METAL_SGD_PREBUILD'] ?? '';

export function isSimulated(): boolean {
  return simulatorFolder() !== undefined;
}

/** The folder of its build. */
export function simulatorFolder(): string | undefined {
  return folder !== '' && existsSync(join(folder, 'sim-control.node')) ? folder : undefined;
}

/** Calls and bytes since the start of the process, as tools/metal-sim/README.md names them. */
export type Counters = Readonly<Record<string, number>>;

export interface Simulator {
  configure(settings: object): void;
  counters(): Counters;
}

interface Controls {
  open(addon: string): void;
  configure(json: string): void;
  counters(): string;
}

/** Of a process that runs over it. */
export function openSimulator(): Simulator {
  const load = createRequire(join(folder, 'sim-control.node'));
  const addon = join(folder, 'build', 'Release', 'metal-sgd.node');
  const controls = load(join(folder, 'sim-control.node')) as Controls;
  load(addon);
  controls.open(addon);
  return {
    configure: (settings) => {
      controls.configure(JSON.stringify(settings));
    },
    counters: () => JSON.parse(controls.counters()) as Counters,
  };
}
