// How spans are cut for the GPU: no cut goes through what belongs together. Plain C++.
#ifndef METAL_SGD_METAL_CUTS_H_
#define METAL_SGD_METAL_CUTS_H_

#include "backend.h"
#include "kernels/general_params.h"
#include "kernels/norm_params.h"

namespace metal_sgd {

/// Groups of one segment: their hyperparameters go to the GPU with the dispatch, in 4096 bytes.
constexpr size_t kMaxRows = 4096 / sizeof(SgdParams<float>);

/// Elements of the parameter that share a byte of the table.
size_t table_unit(const Span& span);
/// By role, then the gradients.
std::vector<Stream> streams_of(const Span& span);
/// `count` elements from `first` on, all of the group.
Span part_of(const Span& span, size_t first, size_t count, uint8_t group);
/// The leaf that element `at` lies in; null for padding, and for spans that name no leaves.
const LeafRun* leaf_at(const Span& span, size_t at);
/// At most `count` elements from `first` on, so that no block of a norm is cut. 0: the first block
/// is longer.
size_t whole_blocks(const Span& span, size_t first, size_t count);
/// The group of element `at`.
uint8_t group_at(const Span& span, size_t at);
/// The blocks of `count` elements from `first` on, where a block begins.
std::vector<NormBlock> blocks_of(const Span& span, size_t first, size_t count);
/// The groups of a span, each once, in the order in which they come.
std::vector<uint8_t> groups_of(const Span& span);
/// Cuts a span where a table could not say the group, or there would be too many rows.
std::vector<Span> parts_of(const Span& span);

}  // namespace metal_sgd

#endif  // METAL_SGD_METAL_CUTS_H_
