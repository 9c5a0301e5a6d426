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
// Messages of Status, summaries of layouts and accounts of transforms, recognised by their pattern
// (console/message_text.h); its placeholders are plain. A problem and what to do about it are parted by "; ", in
// Chinese by "；". All the parts below in one list; not among Catalogue().
std::span<const CatalogueEntry> MessageCatalogue();
// "{} ranks": recognised behind a number alone.
std::span<const CatalogueEntry> CountCatalogue();
std::span<const CatalogueEntry> MindieCatalogue();
std::span<const CatalogueEntry> PageCatalogue();
std::span<const CatalogueEntry> ServerCatalogue();

// The parts of MessageCatalogue(), by what the messages are about.
std::span<const CatalogueEntry> CheckMessages();
std::span<const CatalogueEntry> CheckpointMessages();
std::span<const CatalogueEntry> CkptMessages();
std::span<const CatalogueEntry> FileMessages();
std::span<const CatalogueEntry> LayoutMessages();
std::span<const CatalogueEntry> MindieMessages();
std::span<const CatalogueEntry> MindieReaderMessages();
std::span<const CatalogueEntry> MindsporeMessages();
std::span<const CatalogueEntry> OptionMessages();
std::span<const CatalogueEntry> RankCutMessages();
std::span<const CatalogueEntry> TransformMessages();

}  // namespace shardfs
