// The composition: the reader is named or recognised, and opens the source; each transform that an option asks for
// makes a new checkpoint of it, in the registry's order; the layout is named or the default for the checkpoint, and
// builds the view. Options are checked twice: for the reader and the transforms when the source is opened, and all of
// them once the layout is known, since two layouts may mean different things by one name.
#include "pipeline/build_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/quote_name.h"
#include "pipeline/option_origins.h"
#include "shardfs/layout/registry.h"
#include "shardfs/option/option_taker.h"
#include "shardfs/transform/transform.h"

namespace shardfs {
namespace {

// The names in a directory; of a file its own.
std::vector<std::string> NamesIn(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  if (std::filesystem::is_regular_file(directory, error)) {
    return {std::filesystem::path(directory).filename().string()};
  }
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// How many of the options a reader takes.
std::size_t Taken(const CheckpointReader& reader, std::span<const GivenOption> given) {
  return static_cast<std::size_t>(std::count_if(given.begin(), given.end(), [&](const GivenOption& option) {
    const auto specs = reader.options();
    return std::any_of(specs.begin(), specs.end(), [&](const OptionSpec& spec) {
      return spec.name == option.name || (!spec.alias.empty() && spec.alias == option.name);
    });
  }));
}

// The reader that recognises the directory. Where none is certain, of those that may fit the one that takes the most of
// the options given, and the first of these; where none fits, the first of all, whose refusal then says what is missing.
Result<const CheckpointReader*> Recognise(const std::string& source, std::span<const GivenOption> given) {
  const std::vector<std::string> names = NamesIn(source);
  const CheckpointReader* possible = nullptr;
  const CheckpointReader* certain = nullptr;
  std::string evidence;
  for (const CheckpointReader* const reader : Readers()) {
    const Recognition recognition = reader->Recognise(names);
    if (recognition.degree == Recognition::Degree::kPossible &&
        (possible == nullptr || Taken(*reader, given) > Taken(*possible, given))) {
      possible = reader;
    }
    if (recognition.degree != Recognition::Degree::kCertain) continue;
    if (certain != nullptr) {
      return Status::InvalidArgument(fmt::format("{} looks like {} ({}) and like {} ({}); say which with --from",
                                                 source, certain->name(), evidence, reader->name(),
                                                 recognition.evidence));
    }
    certain = reader;
    evidence = recognition.evidence;
  }
  if (certain != nullptr) return certain;
  return possible != nullptr ? possible : Readers().front();
}

Result<const CheckpointReader*> ChooseReader(const std::string& from, const std::string& source,
                                             std::span<const GivenOption> given) {
  if (from.empty()) return Recognise(source, given);
  std::vector<std::string_view> names;
  for (const CheckpointReader* const reader : Readers()) {
    if (reader->name() == from) return reader;
    names.push_back(reader->name());
  }
  return Status::InvalidArgument(
      fmt::format("there is no reader {}; there is {}", QuoteName(from), fmt::join(names, ", ")));
}

// A refusal of the reader that --from names, with what another reader makes of the directory.
Status ExplainReader(const CheckpointReader& chosen, const std::string& source, const Status& refusal) {
  const std::vector<std::string> names = NamesIn(source);
  for (const CheckpointReader* const reader : Readers()) {
    const Recognition recognition = reader->Recognise(names);
    if (reader == &chosen || recognition.degree != Recognition::Degree::kCertain) continue;
    return refusal.WithContext(fmt::format("{} is read as {}, but looks like {} ({}); leave --from out", source,
                                           chosen.name(), reader->name(), recognition.evidence));
  }
  return refusal;
}

std::vector<OptionTaker> ReaderTakers() {
  std::vector<OptionTaker> takers = AllTakers();
  std::erase_if(takers, [](const OptionTaker& taker) { return taker.kind != "reader"; });
  return takers;
}

std::string LayoutNames() {
  std::vector<std::string_view> names;
  for (const Layout* const layout : Layouts()) names.push_back(layout->name());
  return fmt::format("{}", fmt::join(names, ", "));
}

Status RequireLayout(const std::string& name) {
  if (name.empty() || FindLayout(name) != nullptr) return Status::Ok();
  return Status::InvalidArgument(fmt::format("there is no layout {}; there is {}", QuoteName(name), LayoutNames()));
}

Result<const Layout*> DefaultLayout(const Checkpoint& checkpoint) {
  if (checkpoint.config().status().code() == StatusCode::kNotFound && checkpoint.parts() != nullptr) {
    return Status::NotSupported(
        fmt::format("{} is read by {}, whose checkpoints have no default layout; say how to show it with --layout: {}",
                    checkpoint.path(), checkpoint.reader(), LayoutNames()));
  }
  for (const Layout* const layout : Layouts()) {
    if (layout->IsDefaultFor(checkpoint)) return layout;
  }
  SHARDFS_ASSIGN_OR_RETURN(const JsonValue* const config, checkpoint.config());
  const JsonValue* const type = config->Find("model_type");
  const bool is_named = type != nullptr && type->is_string();
  return Status::NotSupported(fmt::format(
      "config.json has {}, for which no layout is the default; say how to show {} with --layout: {}",
      is_named ? "\"model_type\": " + QuoteName(type->text()) : "no \"model_type\"", checkpoint.path(), LayoutNames()));
}

// A path as it is understood in any working directory; of a list of paths, each.
std::string FromTheRoot(const std::string& text, const OptionSpec& spec) {
  const bool is_path = spec.kind == OptionKind::kFile || spec.kind == OptionKind::kDirectory ||
                       spec.value.starts_with("FILE") || spec.value.starts_with("DIR");
  if (!is_path) return text;
  const std::vector<std::string> paths = spec.kind == OptionKind::kList ? SplitList(text) : std::vector{text};
  std::string absolute;
  for (const std::string& path : paths) {
    std::error_code error;
    const std::filesystem::path place = std::filesystem::absolute(path, error);
    absolute += (absolute.empty() ? "" : ",") + (error ? path : place.lexically_normal().string());
  }
  return absolute;
}

// The settings of a request from all origins, and the reader, the transforms and the layout that take them.
class Pipeline {
 public:
  explicit Pipeline(const ViewRequest& request) : request_(request), given_(request.options) {}

  Status ReadConfig() {
    if (!request_.config_file.empty()) {
      SHARDFS_ASSIGN_OR_RETURN(ConfigFile config, ReadConfigFile(request_.config_file));
      layout_name_ = std::move(config.layout);
      from_ = std::move(config.from);
      given_.insert(given_.end(), config.options.begin(), config.options.end());
    }
    if (!request_.layout.empty()) layout_name_ = request_.layout;
    return RequireLayout(layout_name_);
  }

  Result<CheckpointPtr> Open() {
    SHARDFS_ASSIGN_OR_RETURN(reader_, ChooseReader(request_.from.empty() ? from_ : request_.from, request_.source, given_));
    takers_.push_back({"reader", reader_->name(), reader_->options()});
    for (const Transform* const transform : Transforms()) {
      takers_.push_back({"transform", transform->name(), transform->options()});
    }
    SHARDFS_ASSIGN_OR_RETURN(const OptionValues values, Values());
    auto checkpoint = reader_->Open(request_.source, values);
    if (!checkpoint.ok()) return ExplainReader(*reader_, request_.source, checkpoint.status());
    return checkpoint;
  }

  Result<const Layout*> Choose(const Checkpoint& checkpoint) {
    SHARDFS_ASSIGN_OR_RETURN(const Layout* const layout,
                             layout_name_.empty() ? DefaultLayout(checkpoint) : FindLayout(layout_name_));
    takers_.push_back({"layout", layout->name(), layout->options()});
    return layout;
  }

  // All options as they hold, checked by those that take them so far.
  Result<OptionValues> Values() const {
    const std::vector<const OptionSpec*> specs = SpecsOf(takers_);
    SHARDFS_ASSIGN_OR_RETURN(const std::vector<GivenOption> environment, OptionsOfEnvironment(specs));
    std::vector<GivenOption> all = given_;
    all.insert(all.end(), environment.begin(), environment.end());
    return OptionValues::Create(std::move(all), specs);
  }

  // What the transforms are to see: an option that the layout declares as well is meant for the layout.
  Result<OptionValues> ValuesForTransforms(const Layout& layout, const OptionValues& values) const {
    std::vector<GivenOption> given(values.given().begin(), values.given().end());
    const auto own = layout.options();
    std::erase_if(given, [&](const GivenOption& option) {
      return std::any_of(own.begin(), own.end(), [&](const OptionSpec& spec) { return spec.name == option.name; });
    });
    return OptionValues::Create(std::move(given), SpecsOf(takers_));
  }

  // What was given to reader and transforms.
  OptionPairs GivenBefore(const Layout& layout, const OptionValues& values) const {
    OptionPairs pairs;
    for (const GivenOption& option : values.given()) {
      const auto own = layout.options();
      const bool is_layouts =
          std::any_of(own.begin(), own.end(), [&](const OptionSpec& spec) { return spec.name == option.name; });
      if (!is_layouts) pairs.emplace_back(option.name, option.text);
    }
    return pairs;
  }

  // Every option that reader, transforms or layout take, as it was given; a path is told from the root.
  OptionPairs Asked(const OptionValues& values) const {
    const std::vector<const OptionSpec*> specs = SpecsOf(takers_);
    OptionPairs pairs;
    for (const GivenOption& option : values.given()) {
      const auto spec = std::find_if(specs.begin(), specs.end(),
                                     [&](const OptionSpec* one) { return one->name == option.name; });
      if (spec == specs.end()) continue;
      pairs.emplace_back(option.name, FromTheRoot(option.text, **spec));
    }
    return pairs;
  }

  Status RequireAllTaken(const OptionValues& values, const Layout& layout) const {
    return RequireTaken(values, takers_, AllTakers(), layout.name());
  }

 private:
  const ViewRequest& request_;
  std::vector<GivenOption> given_;
  std::string layout_name_;  // empty: the default for the checkpoint
  std::string from_;
  const CheckpointReader* reader_ = nullptr;
  std::vector<OptionTaker> takers_;
};

}  // namespace

Result<CheckpointPtr> OpenCheckpoint(const ViewRequest& request) {
  Pipeline pipeline(request);
  SHARDFS_RETURN_IF_ERROR(pipeline.ReadConfig());
  return pipeline.Open();
}

Result<OptionValues> ReaderOptions(const ViewRequest& request) {
  const std::vector<OptionTaker> takers = ReaderTakers();
  const std::vector<const OptionSpec*> specs = SpecsOf(takers);
  std::vector<GivenOption> given = request.options;
  if (!request.config_file.empty()) {
    SHARDFS_ASSIGN_OR_RETURN(const ConfigFile config, ReadConfigFile(request.config_file));
    given.insert(given.end(), config.options.begin(), config.options.end());
  }
  SHARDFS_ASSIGN_OR_RETURN(const std::vector<GivenOption> environment, OptionsOfEnvironment(specs));
  given.insert(given.end(), environment.begin(), environment.end());
  return OptionValues::Create(std::move(given), specs);
}

Status RequireReaderOptions(const OptionValues& values) {
  const std::vector<OptionTaker> takers = ReaderTakers();
  const std::vector<const OptionSpec*> specs = SpecsOf(takers);
  for (const GivenOption& option : values.given()) {
    if (option.origin != OptionOrigin::kCommandLine) continue;
    if (std::any_of(specs.begin(), specs.end(), [&](const OptionSpec* spec) { return spec->name == option.name; })) {
      continue;
    }
    return Status::InvalidArgument(fmt::format(
        "no reader has an option {}; `shardfs layouts reader` lists those that readers have", OptionFlagOf(option.name)));
  }
  return Status::Ok();
}

Result<BuiltView> BuildView(const ViewRequest& request, const std::function<void(const std::string&)>& on_notice,
                            const std::function<void(const std::string&)>& on_warning) {
  Pipeline pipeline(request);
  SHARDFS_RETURN_IF_ERROR(pipeline.ReadConfig());
  SHARDFS_ASSIGN_OR_RETURN(CheckpointPtr checkpoint, pipeline.Open());
  SHARDFS_ASSIGN_OR_RETURN(const Layout* const layout, pipeline.Choose(*checkpoint));
  SHARDFS_ASSIGN_OR_RETURN(const OptionValues values, pipeline.Values());
  SHARDFS_RETURN_IF_ERROR(pipeline.RequireAllTaken(values, *layout));
  SHARDFS_ASSIGN_OR_RETURN(const OptionValues for_transforms, pipeline.ValuesForTransforms(*layout, values));
  for (const Transform* const transform : Transforms()) {
    if (!transform->IsAskedFor(for_transforms)) continue;
    SHARDFS_ASSIGN_OR_RETURN(checkpoint, transform->Apply(checkpoint, for_transforms, {on_notice}));
  }
  SHARDFS_ASSIGN_OR_RETURN(View view, layout->Build(checkpoint, values, {request.place, on_notice}));
  view.notices.insert(view.notices.end(), checkpoint->notices().begin(), checkpoint->notices().end());
  view.checks.insert(view.checks.begin(), checkpoint->checks().begin(), checkpoint->checks().end());
  std::vector<std::string> warnings;
  if (request.warns_of_place) {
    warnings = layout->WarningsOfPlace(request.place);
    // What is put together from slices is another thing than what lies in the source: that is said first.
    if (checkpoint->storage() == Checkpoint::Storage::kSlices) warnings.insert(warnings.begin(), view.summary);
  }
  warnings.insert(warnings.end(), checkpoint->warnings().begin(), checkpoint->warnings().end());
  warnings.insert(warnings.end(), view.warnings.begin(), view.warnings.end());
  for (const std::string& warning : warnings) on_warning(warning);
  return BuiltView{std::move(checkpoint), std::string(layout->name()), pipeline.GivenBefore(*layout, values),
                   pipeline.Asked(values), std::move(view)};
}

}  // namespace shardfs
