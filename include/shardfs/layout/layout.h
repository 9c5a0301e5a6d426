// Layout: turns a checkpoint and options into a view. Names, rules and packing, nothing else.
//
// A layout accounts for the whole checkpoint: every tensor is used or ignored with a reason; an unknown one is refused,
// because silently wrong weights are the worst outcome there is.
//
// A new layout is its own folder with a subclass of this, and one line in registry.cc.
// Thread-safety: stateless; const members from any number of threads.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/checkpoint/checkpoint.h"
#include "shardfs/checkpoint/checkpoint_reader.h"
#include "shardfs/option/option_spec.h"
#include "shardfs/option/option_values.h"
#include "shardfs/view/view.h"

namespace shardfs {

// Where a view will be shown.
struct ViewPlace {
  std::string path;  // of the mount point or destination; empty where it is not known
  mode_t file_mode = 0440;
  mode_t directory_mode = 0750;
};

// What a layout may need beside checkpoint and options.
struct ViewContext {
  ViewPlace place;
  // Called with a sentence when a read shows something that could not be known before (values of the source that the
  // engine handles in a questionable way). From any reading thread; at most once for each cause. May be empty.
  std::function<void(const std::string&)> on_notice;
};

// A table of rules that a layout has built in, as the text of a file that its option for one takes.
struct LayoutPreset {
  std::string_view name;     // "deepseek-v3"
  std::string_view summary;  // one phrase: which models it is for
  std::string_view text;
};

// A table that a layout goes by, and that an option of the layout takes back in the same form.
struct LayoutTable {
  std::string option;  // its name, and the table's in `shardfs layouts NAME --json`: "names"
  std::string json;
  std::string text;  // what it knows, in lines for `shardfs layouts NAME`
};

class Layout {
 public:
  virtual ~Layout() = default;
  virtual std::string_view name() const = 0;
  virtual std::string_view summary() const = 0;  // one phrase, for `shardfs layouts`
  virtual std::span<const OptionSpec> options() const = 0;

  // The table that the layout goes by where no other is given; nothing where it has none.
  virtual std::optional<LayoutTable> table() const { return std::nullopt; }

  // kInvalidArgument for options that do not fit the model or each other, kCorruption for a checkpoint that is
  // incomplete or contradicts its config, kNotSupported for a model or weights that the layout does not cover.
  // The view's tree keeps the checkpoint alive.
  virtual Result<View> Build(const CheckpointPtr& checkpoint, const OptionValues& values,
                             const ViewContext& context) const = 0;

  // Whether the checkpoint is shown in this layout where none is asked for. At most one layout says so of a model.
  virtual bool IsDefaultFor(const Checkpoint& /*checkpoint*/) const { return false; }

  // The tables that it has built in, for `shardfs layouts`; none for a layout that takes no table.
  virtual std::span<const LayoutPreset> presets() const { return {}; }

  // What the engine would refuse of the place itself. Others may use the view as well, so these are warnings.
  virtual std::vector<std::string> WarningsOfPlace(const ViewPlace& /*place*/) const { return {}; }
};

}  // namespace shardfs
