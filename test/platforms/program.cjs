// Child processes start by the same way as this one, through an emulator perhaps.
if (process.env['METAL_SGD_NODE']) process.execPath = process.env['METAL_SGD_NODE'];
