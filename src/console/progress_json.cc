#include "console/progress_json.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iostream>

namespace shardfs {
namespace {

using Json = nlohmann::ordered_json;

std::string OneLine(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string_view OutcomeOf(const Status& status, int exit_code) {
  if (status.code() == StatusCode::kCancelled) return "cancelled";
  if (status.code() == StatusCode::kDifferent) return "different";
  return exit_code == 2 || exit_code == 3 ? "refused" : "failed";
}

}  // namespace

std::string FormatProgressJson(const ProgressState& state) {
  Json json = {{"phase", state.phase},           {"bytes_done", state.bytes_done},   {"bytes_total", state.bytes_total},
               {"files_done", state.files_done}, {"files_total", state.files_total}, {"bytes_per_second", nullptr},
               {"seconds_left", nullptr},        {"current_file", nullptr}};
  if (state.bytes_per_second >= 1) {
    const auto left = static_cast<double>(state.bytes_total - std::min(state.bytes_done, state.bytes_total));
    json["bytes_per_second"] = static_cast<std::uint64_t>(state.bytes_per_second);
    json["seconds_left"] = static_cast<std::uint64_t>(std::ceil(left / state.bytes_per_second));
  }
  if (!state.current_file.empty()) json["current_file"] = state.current_file;
  return OneLine(json);
}

std::string FormatProgressEnd(std::string_view outcome, int exit_code, std::string_view message, const Json& result) {
  return OneLine({{"phase", "end"},
                  {"outcome", outcome},
                  {"exit_code", exit_code},
                  {"message", message.empty() ? Json() : Json(message)},
                  {"result", result}});
}

void PrintProgressError(const Status& status, int exit_code) {
  std::cout << FormatProgressEnd(OutcomeOf(status, exit_code), exit_code, status.message(), nullptr) << std::endl;
}

}  // namespace shardfs
