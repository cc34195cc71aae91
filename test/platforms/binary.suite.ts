// The binary under test, and that it makes use of all that the processor has.
import { native } from '../../lib/addon/native';
import { runChild } from '../helpers/child';
import { expectBinary } from './loaded.cjs';

const instructionSets = process.env['METAL_SGD_INSTRUCTION_SETS'] ?? '';

test('it is what is loaded, with every instruction set of this processor', () => {
  expect(native().machine().instructionSets.join(',')).toBe(instructionSets);
  expectBinary();
});

test('it is what a child process loads', () => {
  const { status, result } = runChild((lab) => {
    lab.sgd.devices();
    const maps = lab.fs.readFileSync('/proc/self/maps', 'utf8');
    return { loaded: maps.includes(String(process.env['METAL_SGD_BINARY'])), arch: process.arch };
  });
  expect({ status, result }).toEqual({ status: 0, result: { loaded: true, arch: process.arch } });
});
