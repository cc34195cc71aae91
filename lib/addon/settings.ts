// A settings row: the numbers that a step reads and writes, by the names of the addon's columns.
import { constants } from './native';
import type { Column } from './names';

/** One settings row. */
export class Settings {
  /** As the addon takes it. */
  readonly row: Float64Array;
  readonly #learningRate: number;

  constructor() {
    this.row = new Float64Array(constants().settings.length);
    this.#learningRate = indexOf('learningRate');
  }

  get(column: Column): number {
    return this.row[indexOf(column)];
  }

  set(column: Column, value: number | boolean): void {
    this.row[indexOf(column)] = Number(value);
  }

  /** Sets the column that every step sets. */
  set learningRate(value: number) {
    this.row[this.#learningRate] = value;
  }
}

function indexOf(column: Column): number {
  return constants().settings.indexOf(column);
}
