// The package by require: `commonjs.cjs FIXTURES` prints how many steps were right.
const sgd = require('metal-sgd');
const { train } = require('./train.cjs');

train(sgd, process.argv[2]).then((steps) => console.log(JSON.stringify({ steps })));
