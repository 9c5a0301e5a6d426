#include "parallel/rank_table_node.h"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

#include "base/text_file.h"
#include "shardfs/base/json.h"

namespace shardfs {
namespace {

constexpr std::size_t kMaxRankTableBytes = 100u << 20;

bool IsNamed(const JsonValue& server, const std::set<std::string>& names) {
  for (const char* key : {"server_id", "container_ip", "host_ip", "server_name"}) {
    const JsonValue* name = server.Find(key);
    if (name != nullptr && names.contains(name->text())) return true;
  }
  return false;
}

std::optional<std::uint32_t> NumberOf(const JsonValue* value) {
  if (value == nullptr) return std::nullopt;
  const std::string& text = value->text();
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || text.empty() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Result<std::uint32_t> NodeOf(const JsonValue& server, std::uint32_t place, std::string_view what) {
  const JsonValue* devices = server.Find("device");
  if (devices == nullptr || devices->items().empty()) return place;
  std::uint32_t lowest = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t highest = 0;
  for (const JsonValue& device : devices->items()) {
    const auto rank = NumberOf(device.Find("rank_id"));
    if (!rank) return place;
    lowest = std::min(lowest, *rank);
    highest = std::max(highest, *rank);
  }
  const auto count = static_cast<std::uint32_t>(devices->items().size());
  if (highest - lowest + 1 != count || lowest % count != 0) {
    return Status::InvalidArgument(
        fmt::format("rank table {} gives this machine's {} devices the ranks {} to {}, which are no equal, consecutive "
                    "share; give --ranks",
                    what, count, lowest, highest));
  }
  return lowest / count;
}

}  // namespace

std::set<std::string> NamesOfThisMachine() {
  std::set<std::string> names;
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) == 0) names.insert(host.data());
  ifaddrs* interfaces = nullptr;
  if (::getifaddrs(&interfaces) != 0) return names;
  for (const ifaddrs* interface = interfaces; interface != nullptr; interface = interface->ifa_next) {
    const sockaddr* address = interface->ifa_addr;
    if (address == nullptr || (interface->ifa_flags & IFF_LOOPBACK) != 0) continue;
    if (address->sa_family != AF_INET && address->sa_family != AF_INET6) continue;
    const socklen_t size = address->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(address, size, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) == 0) {
      names.insert(text.data());
    }
  }
  ::freeifaddrs(interfaces);
  return names;
}

Result<std::uint32_t> ParseRankTableNode(std::string_view json, std::string_view what,
                                         const std::set<std::string>& names) {
  const auto document = ParseJson(json, what, {.max_bytes = kMaxRankTableBytes, .max_depth = 16});
  if (!document.ok()) return Status::InvalidArgument(std::string(document.status().message()));
  const JsonValue* servers = document->Find("server_list");
  const JsonValue* found = nullptr;
  std::uint32_t place = 0;
  for (std::uint32_t i = 0; servers != nullptr && i < servers->items().size(); ++i) {
    if (!IsNamed(servers->items()[i], names)) continue;
    if (found != nullptr) {
      return Status::InvalidArgument(fmt::format(
          "rank table {} has this machine twice, as server {} and {}; give --node-rank a number", what, place, i));
    }
    found = &servers->items()[i];
    place = i;
  }
  if (found == nullptr) {
    return Status::InvalidArgument(fmt::format(
        "rank table {} has no server with a name or address of this machine ({}); give --node-rank a number", what,
        fmt::join(names, ", ")));
  }
  return NodeOf(*found, place, what);
}

Result<std::uint32_t> ReadRankTableNode(const std::string& path) {
  const Result<std::string> json = ReadTextFile(path, kMaxRankTableBytes);
  if (!json.ok()) return Status::InvalidArgument(std::string(json.status().WithContext("the rank table").message()));
  return ParseRankTableNode(*json, path, NamesOfThisMachine());
}

}  // namespace shardfs
