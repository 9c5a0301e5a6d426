// Numbers of things, as they stand in messages and summaries.
#include "console/catalogue/catalogue.h"

namespace shardfs {
namespace {

constexpr CatalogueEntry kEntries[] = {
    {"{} device", "{} 个设备"},
    {"{} devices", "{} 个设备"},
    {"{} file", "{} 个文件"},
    {"{} files", "{} 个文件"},
    {"{} parameter", "{} 个参数"},
    {"{} parameters", "{} 个参数"},
    {"{} part", "{} 个分片"},
    {"{} parts", "{} 个分片"},
    {"{} pipeline stage", "{} 个流水线阶段"},
    {"{} pipeline stages", "{} 个流水线阶段"},
    {"{} rank", "{} 个 rank"},
    {"{} ranks", "{} 个 rank"},
    {"{} stage", "{} 个流水线阶段"},
    {"{} stages", "{} 个流水线阶段"},
    {"{} tensor", "{} 个张量"},
    {"{} tensors", "{} 个张量"},
    {"{} tensors are", "{} 个张量"},
};

}  // namespace

std::span<const CatalogueEntry> CountCatalogue() { return kEntries; }

}  // namespace shardfs
