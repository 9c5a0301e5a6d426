// The catalogue: what doctor, check-mindie, check-vllm, check-sglang and the page of `plan --html` say, in English and
// Chinese. An entry is a sentence or a pattern as Tr takes it (console/text.h); the Chinese has the same placeholders,
// numbered ({1} ... {0}) where their order differs. One file for each who speaks. Constants; thread-safe.
#pragma once

#include <span>
#include <string_view>

namespace shardfs {

struct CatalogueEntry {
  std::string_view english;
  std::string_view chinese;
};

// Every entry. What two commands say is in one part alone (CommonCatalogue).
std::span<const std::span<const CatalogueEntry>> Catalogue();

std::span<const CatalogueEntry> CommonCatalogue();
std::span<const CatalogueEntry> DoctorCatalogue();
// Messages of Status and summaries of layouts, recognised by their pattern (console/message_text.h); its placeholders
// are plain. A problem and what to do about it are parted by "; ", in Chinese by "；". Not among Catalogue().
std::span<const CatalogueEntry> MessageCatalogue();
std::span<const CatalogueEntry> MindieCatalogue();
std::span<const CatalogueEntry> PageCatalogue();
std::span<const CatalogueEntry> ServerCatalogue();

}  // namespace shardfs
