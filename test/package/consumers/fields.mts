// A project that writes declarations, hands bytes to the web's classes, and keeps its model in classes; runs too.
import { devices, SGD, toBytes, zeros, zerosLike } from 'metal-sgd';

export const all = devices();
export const [first] = devices();
export const gpus = () => devices().filter((device) => device.type === 'gpu');
export const described = devices().map((device) => ({ ...device, isFirst: device === all[0] }));

class Dense {
  weight = zeros([2, 2]);
  bias?: Float32Array | undefined;
  readonly scale: Float32Array | undefined = undefined;
}

class Wide extends Dense {
  more = [zeros(3)];
}

class Model {
  layers = [new Dense(), new Dense()];
  head = new Wide();
}

const model = new Model();
export const optimizer = new SGD(0.1, { momentum: 0.9 });
const gradients = zerosLike(model);
gradients.head.weight.data.fill(1);
optimizer.update(model, gradients);
if (model.head.weight.data[3] !== Math.fround(-0.1)) throw new Error('wrong');

export const bytes = toBytes(model);
export const state = () => optimizer.toBytes({ parameters: model });
export const blob = new Blob([bytes, state()]);
export const response = new Response(bytes);
export const digest = () => crypto.subtle.digest('SHA-256', state());

class Method {
  weight = zeros(2);
  norm(): number {
    return this.weight.data.length;
  }
}
// @ts-expect-error -- a method is no leaf
export const refused = (): unknown => toBytes(new Method());
