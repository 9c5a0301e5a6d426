// A quant_model_description*.json. The input is its text.
#include "fuzz/fuzz_target.h"
#include "layout/mindie/config/quant_description.h"
#include "layout/mindie/json_files.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shardfs;
  const std::string_view text = testing::AsText(data, size);
  const auto description = QuantDescription::Parse(text, "fuzz");
  if (!description.ok()) {
    const StatusCode code = description.status().code();
    SHARDFS_FUZZ_CHECK(code == StatusCode::kCorruption || code == StatusCode::kNotSupported);
    return 0;
  }
  // Every key is found under its own name, and a kind is a string of the document.
  const auto document = ParseJson(text, "fuzz");
  SHARDFS_FUZZ_CHECK(document.ok());
  std::vector<DescribedTensor> lines;
  for (const auto& [key, value] : document->members()) {
    SHARDFS_FUZZ_CHECK(description->Find(key) != nullptr && description->Find(key)->type() == value.type());
    const auto kind = description->KindOf(key);
    SHARDFS_FUZZ_CHECK(kind.has_value() == value.is_string() && (!kind || *kind == value.text()));
    // The document's own keys and those that the writer adds are kept apart by their names' form.
    if (kind) lines.push_back({"model." + key, std::string(*kind)});
  }
  // What is shown is well-formed, and says of each tensor what it was given.
  const auto shown = ParseJson(MindieDescriptionJson(*description, "w8a8", lines, {}), "shown");
  SHARDFS_FUZZ_CHECK(shown.ok());
  for (const DescribedTensor& line : lines) {
    const JsonValue* kind = shown->Find(line.name);
    SHARDFS_FUZZ_CHECK(kind != nullptr && kind->text() == line.kind);
  }
  // A version keeps its type.
  const JsonValue* version = document->Find("version");
  SHARDFS_FUZZ_CHECK(version == nullptr || shown->Find("version")->type() == version->type());
  SHARDFS_FUZZ_CHECK(!MindieDescriptionName(*description, "w8a8").empty());
  return 0;
}
