// Transform: a checkpoint to a checkpoint. Transforms stand between the reader and the layout, in a fixed order.
//
// A transform accounts for every tensor, and leaves config.json and the index true of the tensors that it hands on.
// A new transform is one file that defines a subclass, and one line in registry.cc.
// Thread-safety: stateless; const members from any number of threads.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "shardfs/base/result.h"
#include "shardfs/checkpoint/checkpoint.h"
#include "shardfs/option/option_spec.h"
#include "shardfs/option/option_values.h"

namespace shardfs {

// TransformContext has what a transform may need beside checkpoint and options.
struct TransformContext {
  // The transform calls it when a read shows what could not be known before, as a layout calls ViewContext::on_notice.
  std::function<void(const std::string&)> on_notice;
};

class Transform {
 public:
  virtual ~Transform() = default;
  virtual std::string_view name() const = 0;
  virtual std::string_view summary() const = 0;  // one phrase, for `shardfs layouts`
  virtual std::span<const OptionSpec> options() const = 0;

  // Whether any option asks for it; Apply is called only then.
  virtual bool IsAskedFor(const OptionValues& values) const = 0;

  // kInvalidArgument for options that do not fit the checkpoint, kNotSupported for a checkpoint that the transform does
  // not cover. The result keeps `checkpoint` alive.
  virtual Result<CheckpointPtr> Apply(const CheckpointPtr& checkpoint, const OptionValues& values,
                                      const TransformContext& context) const = 0;
};

// All transforms, in the order in which they are applied. They live for the whole program.
std::span<const Transform* const> Transforms();

}  // namespace shardfs
