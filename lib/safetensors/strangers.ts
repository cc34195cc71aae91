// Recognises files of other formats by how they begin. Only a file that was refused is asked: a header's length may look
// like anything.
import { coded } from '../errors';

/** Bytes that tell a format. */
export const PROBE_BYTES = 512;

/** A beginning, as latin1 text, and what it says. */
interface Stranger {
  readonly begins: RegExp;
  readonly what: string;
  readonly advice: string;
}

const CONVERT = 'convert it to safetensors first';
const PYTORCH = 'load it with torch.load and save its tensors with safetensors.torch.save_file';
const NUMPY = 'load it with numpy.load and save its arrays with safetensors.numpy.save_file';
const DECOMPRESS = 'decompress it first';

/* eslint-disable no-control-regex -- formats begin with such characters */
/** The first that fits counts. A text has no zero byte, which a length has. */
const STRANGERS: readonly Stranger[] = [
  {
    begins: /^version https:\/\/git-lfs|^version https:\/\/hawser/,
    what: 'a Git LFS pointer, which stands for the file',
    advice: 'fetch the file itself with `git lfs pull`',
  },
  { begins: /^PK\x03\x04[^]{26}[^]{0,80}?\.npy/, what: 'an npz archive of NumPy', advice: NUMPY },
  { begins: /^PK(?:\x03\x04|\x05\x06)/, what: 'a zip archive, as PyTorch saves', advice: PYTORCH },
  { begins: /^\x80[\x02-\x05][^\0]/, what: 'a Python pickle, as PyTorch saved', advice: PYTORCH },
  { begins: /^\x93NUMPY/, what: 'an npy file of NumPy', advice: NUMPY },
  { begins: /^GGUF|^FUGG/, what: 'a GGUF file of llama.cpp', advice: CONVERT },
  { begins: /^(?:lmgg|fmgg|tjgg|algg)/, what: 'a GGML file of llama.cpp', advice: CONVERT },
  { begins: /^\x89HDF\r\n/, what: 'an HDF5 file, as Keras saves', advice: CONVERT },
  { begins: /^\x1f\x8b\x08[^]{7}/, what: 'a gzip file', advice: DECOMPRESS },
  { begins: /^\x28\xb5\x2f\xfd/, what: 'a Zstandard file', advice: DECOMPRESS },
  { begins: /^\xfd7zXZ/, what: 'an xz file', advice: DECOMPRESS },
  { begins: /^BZh[1-9]1AY&SY/, what: 'a bzip2 file', advice: DECOMPRESS },
  { begins: /^[^]{257}ustar/, what: 'a tar archive', advice: 'unpack it first' },
  {
    begins: /^(?:\xef\xbb\xbf)?\s*\{[^\0]*"(?:weight_map|total_size)"/,
    what: 'the index of a model in parts',
    advice: 'load the safetensors files that its weight_map names',
  },
  { begins: /^(?:\xef\xbb\xbf)?\s*[{[][^\0]*$/, what: 'a JSON text', advice: 'load the safetensors file beside it' },
  {
    begins: /^(?:\xef\xbb\xbf)?\s*<[!?a-z][^\0]*$/i,
    what: 'an HTML or XML text, perhaps the page of a failed download',
    advice: 'download the file itself',
  },
  {
    begins: /^(?:\xef\xbb\xbf)?[\t\n\r\x20-\x7e][\t\n\r\x20-\x7e\x80-\xff]*$/,
    what: 'a text, perhaps the message of a failed download',
    advice: 'download the file itself',
  },
];
/* eslint-enable no-control-regex */

/** A length below 2^32 and an object: the file is meant as safetensors, whatever the length looks like. */
const MEANT = /^[^]{4}\0{4}\{/;

/** The error for a file of another format that begins so; `undefined` for one that may be meant as safetensors. */
export function strangerError(file: string, beginning: Uint8Array): Error | undefined {
  const probe = Buffer.from(beginning.subarray(0, PROBE_BYTES)).toString('latin1');
  const stranger = MEANT.test(probe) ? undefined : STRANGERS.find(({ begins }) => begins.test(probe));
  if (!stranger) return undefined;
  const message = `${file}: expected a safetensors file, received ${stranger.what}; ${stranger.advice}`;
  return coded(RangeError, 'invalid-file', message);
}
