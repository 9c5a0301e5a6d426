#include "checkpoint/weights_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <new>
#include <utility>

#include "base/parallel.h"
#include "base/quote_name.h"
#include "checkpoint/ckpt_state_dict.h"
#include "checkpoint/defect_list.h"
#include "checkpoint/directory_listing.h"
#include "checkpoint/merge_tensors.h"
#include "checkpoint/safetensors_state_dict.h"
#include "checkpoint/shard_reader.h"
#include "format/ckpt/encrypted_source.h"
#include "source/descriptor_limit.h"

namespace shardfs {
namespace {

constexpr std::size_t kMaxTensorsTogether = std::size_t{1} << 23;  // several times what a thousand ranks have

// The bytes of the entries: the file, or what it decrypts to.
struct OpenedSource {
  std::shared_ptr<const ByteSource> source;
  std::shared_ptr<EncryptedSource> encrypted;  // null where it is not
};

Result<OpenedSource> Decrypt(const std::shared_ptr<const FileSource>& file, const CkptOptions& options) {
  std::array<std::byte, 4> first{};
  SHARDFS_RETURN_IF_ERROR(file->ReadAt(0, std::span(first).first(std::min<std::uint64_t>(first.size(), file->size()))));
  if (const auto mode = CipherModeOf(first); !mode) return OpenedSource{file, nullptr};
  const std::string name = QuoteName(file->name());
  if (const Status status = options.RequireKey(); !status.ok()) {
    return status.WithContext(name + " is encrypted");
  }
  if (options.crc_check) {
    return Status::InvalidArgument(
        fmt::format("crc_check: {} is encrypted, and such a file has no crc trailer; leave crc_check out", name));
  }
  SHARDFS_ASSIGN_OR_RETURN(auto encrypted, EncryptedSource::Open(file, options.key, options.mode));
  return OpenedSource{encrypted, encrypted};
}

Status AccountForExtras(const std::string& name, const CkptContent& content, const CkptOptions& options,
                        WeightsFile& opened) {
  for (const CkptExtra& extra : content.extras) {
    const std::string_view kind = extra.kind == CkptExtra::Kind::kString ? "a string" : "a map parameter";
    if (!options.drop_extras) {
      return Status::NotSupported(fmt::format("{}: entry {} is {}, which no layout can show; extras=drop leaves it out",
                                              name, QuoteName(extra.name), kind));
    }
    opened.ignored.push_back(
        {extra.name, fmt::format("{} of {}, which extras=drop leaves out", kind, name), extra.bytes});
  }
  return Status::Ok();
}

Result<WeightsFile> OpenCkpt(const SourceRoot& root, const std::string& path, const CkptOptions& options) {
  WeightsFile opened;
  SHARDFS_ASSIGN_OR_RETURN(opened.file, root.OpenFile(path));
  const std::string name = QuoteName(opened.file->name());
  SHARDFS_ASSIGN_OR_RETURN(const OpenedSource bytes, Decrypt(opened.file, options));
  if (bytes.encrypted != nullptr) {
    opened.cipher = bytes.encrypted->mode();
    bytes.encrypted->set_checks_ahead(true);
  }
  // Little of an encrypted file is read ahead: each block costs a decryption, and its bytes may be of no use.
  constexpr std::uint64_t kEncryptedAhead = 64;
  auto content = bytes.encrypted == nullptr ? ReadCkpt(*bytes.source) : ReadCkpt(*bytes.source, kEncryptedAhead);
  if (bytes.encrypted != nullptr) {
    bytes.encrypted->set_checks_ahead(false);
    if (!content.ok() && *opened.cipher != CipherMode::kAesGcm) {
      return content.status().WithContext(
          fmt::format("{} as decrypted with {}, where a wrong key or a damaged file shows as wrong content", name,
                      CipherModeName(*opened.cipher)));
    }
  }
  SHARDFS_RETURN_IF_ERROR(content.status());
  SHARDFS_RETURN_IF_ERROR(AccountForExtras(name, *content, options, opened));
  if (options.crc_check) {
    opened.lacks_crc = !content->crc;
    if (content->crc) SHARDFS_RETURN_IF_ERROR(CheckCkptCrc(*bytes.source, *content));
  }
  for (const CkptTensor& tensor : content->tensors) {
    if (tensor.is_int4) opened.metadata.emplace_back(tensor.name, "Int4");
  }
  opened.tensors = std::make_shared<const CkptStateDict>(bytes.source, std::move(content).value());
  return opened;
}

Result<WeightsFile> OpenSafetensors(const SourceRoot& root, const std::string& path) {
  SHARDFS_ASSIGN_OR_RETURN(std::vector<Shard> shards, ReadShards(root, std::span(&path, 1)));
  WeightsFile opened;
  opened.metadata = std::move(shards.front().header.metadata);
  SHARDFS_ASSIGN_OR_RETURN(std::vector<TensorInfo> tensors, MergeTensors(shards, {}));
  opened.file = std::move(shards.front().file);
  struct Held {
    Held(std::shared_ptr<const FileSource> of, std::vector<TensorInfo> infos)
        : file(std::move(of)), tensors(std::move(infos)) {}
    std::shared_ptr<const FileSource> file;
    SafetensorsStateDict tensors;
  };
  auto held = std::make_shared<const Held>(opened.file, std::move(tensors));
  opened.tensors = StateDictPtr(held, &held->tensors);
  return opened;
}

Result<WeightsFile> OpenOne(const SourceRoot& root, const std::string& path, const CkptOptions& options) {
  try {
    return path.ends_with(".safetensors") ? OpenSafetensors(root, path) : OpenCkpt(root, path, options);
  } catch (const std::bad_alloc&) {
    return Status::ResourceExhausted(QuoteName(root.NameOf(path)) + ": no memory for its entries");
  }
}

class OpenedParts final : public StoredParts {
 public:
  explicit OpenedParts(std::span<const WeightsFile> files) : files_(files.begin(), files.end()) {}

  std::size_t file_count() const override { return files_.size(); }
  std::string_view FileName(std::size_t index) const override { return files_[index].file->name(); }
  const FileMetadata& MetadataOf(std::size_t index) const override { return files_[index].metadata; }
  StateDictPtr TensorsOf(std::size_t index) const override { return files_[index].tensors; }

 private:
  std::vector<WeightsFile> files_;
};

// "'a.ckpt'", "'a.ckpt' and 3 more files".
std::string NameFirst(std::span<const WeightsFile* const> files) {
  const std::string first = QuoteName(files.front()->file->name());
  if (files.size() == 1) return first + " is";
  return fmt::format("{} and {} more file{} are", first, files.size() - 1, files.size() == 2 ? "" : "s");
}

}  // namespace

bool IsCkptName(std::string_view name) {
  return IsPlainName(name) && !name.starts_with('.') && name.ends_with(".ckpt");
}

Result<std::vector<WeightsFile>> OpenWeightsFiles(const SourceRoot& root, std::span<const std::string> paths,
                                                  const CkptOptions& options) {
  SHARDFS_RETURN_IF_ERROR(ReserveDescriptors(paths.size()));
  std::vector<std::optional<Result<WeightsFile>>> opened(paths.size());
  std::atomic<std::size_t> tensors{0};  // of all files, so that many small ones take no more memory than one may
  ParallelFor(paths.size(), [&](std::size_t i) {
    opened[i] = OpenOne(root, paths[i], options);
    if (!opened[i]->ok()) return;
    tensors += (*opened[i])->tensors->specs().size();
    if (tensors <= kMaxTensorsTogether) return;
    opened[i] = Status::NotSupported(
        fmt::format("the {} files have more than {} tensors together", paths.size(), kMaxTensorsTogether));
  });
  std::vector<WeightsFile> files;
  DefectList defects;
  Status first;
  for (auto& one : opened) {
    if (one->ok()) {
      files.push_back(std::move(*one).value());
      continue;
    }
    if (first.ok()) first = one->status();
    defects.Add(std::string(one->status().message()));
  }
  if (first.ok()) return files;
  // Several defects are told together only where all are the files' own.
  if (defects.count() == 1 || first.code() != StatusCode::kCorruption) return first;
  return defects.ToStatus();
}

std::vector<std::string> WarningsOf(std::span<const WeightsFile> files, const CkptOptions& options) {
  std::vector<const WeightsFile*> encrypted;
  std::vector<const WeightsFile*> plain;
  std::vector<const WeightsFile*> unchecked;
  for (const WeightsFile& file : files) {
    (file.cipher ? encrypted : plain).push_back(&file);
    if (file.lacks_crc) unchecked.push_back(&file);
  }
  std::vector<std::string> warnings;
  if (!encrypted.empty()) {
    warnings.push_back(fmt::format(
        "{} encrypted, and what is shown is plain text: whoever may read the view may read it", NameFirst(encrypted)));
  }
  if (options.has_key_file && !plain.empty()) {
    warnings.push_back(fmt::format("a key is given, and {} not encrypted", NameFirst(plain)));
  }
  if (!unchecked.empty()) {
    warnings.push_back(fmt::format("{} without a crc trailer, and so was not checked", NameFirst(unchecked)));
  }
  return warnings;
}

std::shared_ptr<const StoredParts> PartsOf(std::span<const WeightsFile> files) {
  return std::make_shared<const OpenedParts>(files);
}

}  // namespace shardfs
