#include "console/catalogue/catalogue.h"

#include <array>
#include <vector>

namespace shardfs {

std::span<const std::span<const CatalogueEntry>> Catalogue() {
  static const std::array<std::span<const CatalogueEntry>, 5> kParts = {
      CommonCatalogue(), DoctorCatalogue(), MindieCatalogue(), PageCatalogue(), ServerCatalogue()};
  return kParts;
}

std::span<const CatalogueEntry> MessageCatalogue() {
  static const auto* const kAll = [] {
    auto* const all = new std::vector<CatalogueEntry>;
    for (const auto part :
         {CheckMessages(), CheckpointMessages(), CkptMessages(), FileMessages(), LayoutMessages(), MindieMessages(),
          MindieReaderMessages(), MindsporeMessages(), OptionMessages(), RankCutMessages(), TransformMessages()}) {
      all->insert(all->end(), part.begin(), part.end());
    }
    return all;
  }();
  return *kAll;
}

}  // namespace shardfs
