// A strict reader of Prometheus' text format (0.0.4), for what a test wants to be sure of: it refuses more than
// Prometheus does (families without HELP or TYPE, in pieces or twice; counters not called _total; blank lines).
#pragma once

#include <cmath>
#include <cstdlib>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace shardfs {

class PrometheusText {
 public:
  explicit PrometheusText(const std::string& text) {
    if (text.empty() || text.back() != '\n') Refuse("the last line does not end");
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line) && error_.empty();) ReadLine(line);
    FinishFamily();
  }

  // The labels that every sample begins with, `mountpoint="...",layout="..."`; the others' names are without them.
  const std::string& base() const { return base_; }
  const std::string& error() const { return error_; }  // empty when the text is right
  bool Has(const std::string& sample) const { return samples_.count(sample) > 0; }
  // `sample` as in the text: "shardfs_reads_total{kind=\"tensors\"}"; NaN when it is not there.
  double operator[](const std::string& sample) const {
    const auto place = samples_.find(sample);
    return place == samples_.end() ? std::nan("") : place->second;
  }
  const std::string& TypeOf(const std::string& family) const {
    static const std::string none;
    const auto place = types_.find(family);
    return place == types_.end() ? none : place->second;
  }

 private:
  void Refuse(const std::string& what) {
    if (error_.empty()) error_ = what;
  }

  void ReadLine(const std::string& line) {
    static const std::regex help("# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)");
    static const std::regex type("# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)");
    static const std::regex sample(
        R"re(([a-zA-Z_:][a-zA-Z0-9_:]*)(\{([a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\["\\n])*",?)*\})? ([^ ]+))re");
    std::smatch match;
    if (std::regex_match(line, match, help)) {
      FinishFamily();
      family_ = match[1];
      if (types_.count(family_) > 0) Refuse(family_ + " comes twice");
    } else if (std::regex_match(line, match, type)) {
      if (match[1] != family_ || types_.count(family_) > 0) Refuse("TYPE without its HELP: " + line);
      types_[family_] = match[2];
    } else if (std::regex_match(line, match, sample)) {
      ReadSample(match[1], std::string(match[1]) + WithoutBase(match[2]), match[5]);
    } else {
      Refuse("no line of the format: " + line);
    }
  }

  std::string WithoutBase(const std::string& labels) {
    static const std::regex base(R"re(\{(mountpoint="([^"\\\n]|\\["\\n])*",layout="([^"\\\n]|\\["\\n])*"),?)re");
    std::smatch match;
    const bool has_base = std::regex_search(labels, match, base, std::regex_constants::match_continuous);
    const std::string own = has_base ? std::string(match[1]) : "";
    if (!samples_.empty() && own != base_) Refuse("labels of the mount that are not those of the first: " + labels);
    base_ = own;
    if (!has_base) return labels;
    const std::string rest = match.suffix();
    return rest == "}" ? "" : "{" + rest;
  }

  void ReadSample(const std::string& name, const std::string& key, const std::string& text) {
    const std::string& kind = TypeOf(family_);
    if (kind.empty()) return Refuse("a sample before its TYPE: " + key);
    const bool of_histogram =
        kind == "histogram" && (name == family_ + "_bucket" || name == family_ + "_sum" || name == family_ + "_count");
    if (name != family_ && !of_histogram) return Refuse(name + " among the samples of " + family_);
    if (kind == "counter" && !name.ends_with("_total")) return Refuse("a counter not called _total: " + name);
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (end == text.c_str() || *end != '\0') return Refuse("no number: " + text);
    if (kind != "gauge" && value < 0) return Refuse("a negative count: " + key);
    if (!samples_.emplace(key, value).second) return Refuse("a sample twice: " + key);
    if (name == family_ + "_bucket") ReadBucket(key, value);
  }

  void ReadBucket(const std::string& key, double count) {
    const std::size_t begin = key.find("le=\"");
    if (begin == std::string::npos) return Refuse("a bucket without le: " + key);
    const std::string bound = key.substr(begin + 4, key.find('"', begin + 4) - begin - 4);
    const double le = bound == "+Inf" ? INFINITY : std::strtod(bound.c_str(), nullptr);
    if (buckets_ > 0 && le <= last_bound_) Refuse("bounds that do not ascend: " + key);
    if (buckets_ > 0 && count < last_count_) Refuse("buckets that are not cumulative: " + key);
    last_bound_ = le;
    last_count_ = count;
    ++buckets_;
  }

  void FinishFamily() {
    if (family_.empty() || !error_.empty()) return;
    if (types_.count(family_) == 0) return Refuse(family_ + " has no TYPE");
    if (types_[family_] == "histogram") {
      if (buckets_ == 0 || !std::isinf(last_bound_)) Refuse(family_ + " has no bucket +Inf");
      if ((*this)[family_ + "_count"] != last_count_) Refuse(family_ + "_count is not the bucket +Inf");
      if (!Has(family_ + "_sum")) Refuse(family_ + " has no sum");
    }
    buckets_ = 0;
  }

  std::string base_;
  std::string error_;
  std::string family_;
  std::map<std::string, std::string> types_;
  std::map<std::string, double> samples_;
  std::size_t buckets_ = 0;
  double last_bound_ = 0;
  double last_count_ = 0;
};

}  // namespace shardfs
