// Settings of the whole process, changed for a test and brought back after it.
import { native } from '../../lib/addon/native';

const { instructionSets, threads } = native().machine();

/** What this processor can run, the fastest first. */
export const INSTRUCTION_SETS: readonly string[] = instructionSets;

/** To be called at the top of a file that changes threads or instruction set. */
export function restoreMachineAfterwards(): void {
  afterAll(() => {
    native().setThreads(threads);
    native().chooseInstructionSet(instructionSets[0]);
  });
}
