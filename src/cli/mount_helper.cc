#include "cli/mount_helper.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/nearest_name.h"
#include "option/declared_options.h"
#include "shardfs/layout/registry.h"

namespace shardfs {
namespace {

constexpr std::string_view kHelperName = "mount.shardfs";
// mount(8) calls this one for the type that the kernel shows in /proc/mounts.
constexpr std::string_view kHelperOfShownType = "mount.fuse.shardfs";

// What mount(8) itself acts upon and yet hands on, and what a view has or cannot have, whatever is asked: mount(8) says
// "rw" where nobody said anything, and a mount is always ro,nosuid,nodev,noexec,noatime.
constexpr std::array<std::string_view, 39> kIgnored = {"rw",         "ro",          "defaults",
                                                       "auto",       "noauto",      "nofail",
                                                       "_netdev",    "user",        "nouser",
                                                       "users",      "nousers",     "owner",
                                                       "noowner",    "group",       "nogroup",
                                                       "suid",       "nosuid",      "dev",
                                                       "nodev",      "exec",        "noexec",
                                                       "atime",      "noatime",     "diratime",
                                                       "nodiratime", "relatime",    "norelatime",
                                                       "lazytime",   "nolazytime",  "sync",
                                                       "async",      "dirsync",     "silent",
                                                       "loud",       "strictatime", "comment",
                                                       "symfollow",  "nosymfollow", "default_permissions"};

struct MountOption {
  std::string name;
  std::optional<std::string> value;
  std::string text;  // as written
};

bool IsIgnored(const std::string& name) {
  return name.starts_with("x-") || name.starts_with("X-") ||
         std::find(kIgnored.begin(), kIgnored.end(), name) != kIgnored.end();
}

bool IsViewOption(const std::string& name) {
  const auto options = DeclaredOptions(AllTakers());
  const std::string wanted = OptionNameOf(name);
  return std::any_of(options.begin(), options.end(), [&wanted](const DeclaredOption& option) {
    return option.name == wanted ||
           std::find(option.aliases.begin(), option.aliases.end(), wanted) != option.aliases.end();
  });
}

// Options are parted by commas; one inside double quotes or after a backslash belongs to a value.
std::vector<std::string> SplitOptions(std::string_view text) {
  std::vector<std::string> options(1);
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      quoted = !quoted;
    } else if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == ',' || text[i + 1] == '\\')) {
      options.back() += text[++i];
    } else if (text[i] == ',' && !quoted) {
      options.emplace_back();
    } else {
      options.back() += text[i];
    }
  }
  std::erase(options, "");
  return options;
}

MountOption ParseOption(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) return {text, std::nullopt, text};
  return {text.substr(0, equals), text.substr(equals + 1), text};
}

// "moe_tp" is --moe-tp; null for what `shardfs mount` does not have, or has no use for under mount(8).
const CLI::Option* FindOption(const CLI::App& mount, std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  if (name == "help" || name == "foreground") return nullptr;
  return mount.get_option_no_throw("--" + name);
}

// The mount options that there are, as they are written in -o.
std::vector<std::string> MountOptionNames(const CLI::App& mount) {
  std::vector<std::string> names;
  for (const CLI::Option* option : mount.get_options()) {
    for (std::string name : option->get_lnames()) {
      std::replace(name.begin(), name.end(), '-', '_');
      if (FindOption(mount, name) != nullptr) names.push_back(std::move(name));
    }
  }
  return names;
}

// Turns the options of -o into arguments of `shardfs mount`. Of one that comes twice the later counts, as those of a
// command line come after those of /etc/fstab.
class OptionTranslator {
 public:
  OptionTranslator(const CLI::App& mount, bool sloppy) : mount_(mount), sloppy_(sloppy) {}

  Status Add(const MountOption& option) {
    if (IsIgnored(option.name)) return Status::Ok();
    if (option.name == "remount") {
      return Status::InvalidArgument(
          "remount: a mounted view cannot be changed; unmount it with `umount MOUNTPOINT`, then mount it with the new "
          "options");
    }
    const CLI::Option* known = FindOption(mount_, option.name);
    if (known != nullptr && option.value && IsViewOption(option.name)) {
      if (option.value->empty()) return NeedsValue(option);
      Put(known->get_name(), {"-O", option.text});
      return Status::Ok();
    }
    if (known == nullptr) {
      if (sloppy_) return Status::Ok();
      const std::string meant = DidYouMean(option.name, MountOptionNames(mount_));
      return Status::InvalidArgument(fmt::format(
          "there is no mount option '{}'{}", option.text,
          meant.empty() ? "; mount.shardfs(8) and `shardfs mount --help` list those that there are" : meant));
    }
    if (known->get_items_expected_min() > 0 && (!option.value || option.value->empty())) return NeedsValue(option);
    if (known->get_items_expected_max() == 0 && option.value) {
      return Status::InvalidArgument(
          fmt::format("the mount option {} takes no value, and is given '{}'; write {} alone", option.name,
                      *option.value, option.name));
    }
    std::string argument = "--" + option.name;
    std::replace(argument.begin(), argument.end(), '_', '-');
    if (option.value) argument += "=" + *option.value;
    Put(known->get_name(), {std::move(argument)});  // --mtp and --no-mtp are one option
    return Status::Ok();
  }

  std::vector<std::string> Arguments() const {
    std::vector<std::string> all;
    for (const auto& [key, arguments] : entries_) all.insert(all.end(), arguments.begin(), arguments.end());
    return all;
  }

 private:
  static Status NeedsValue(const MountOption& option) {
    return Status::InvalidArgument("the mount option " + option.name + " needs a value, as in " + option.name + "=...");
  }

  void Put(const std::string& key, std::vector<std::string> arguments) {
    std::erase_if(entries_, [&key](const auto& entry) { return entry.first == key; });
    entries_.emplace_back(key, std::move(arguments));
  }

  const CLI::App& mount_;
  bool sloppy_;
  std::vector<std::pair<std::string, std::vector<std::string>>> entries_;
};

}  // namespace

bool IsMountHelper(std::string_view program_name) {
  const std::string_view name = program_name.substr(program_name.rfind('/') + 1);
  return name == kHelperName || name == kHelperOfShownType;
}

bool IsHelperCall(const std::vector<std::string>& words, const CLI::App& program) {
  if (words.size() < 3 || words[0].starts_with('-') || words[1].starts_with('-')) return false;
  const auto commands =
      program.get_subcommands([&](const CLI::App* command) { return command->get_name() == words[0]; });
  return commands.empty() && std::find(words.begin() + 2, words.end(), "-o") != words.end();
}

Result<MountHelperCall> ParseMountHelperCall(const std::vector<std::string>& arguments, const CLI::App& mount) {
  MountHelperCall call;
  std::vector<std::string> copies(arguments);
  std::string name(kHelperName);
  std::vector<char*> argv{name.data()};
  for (std::string& argument : copies) argv.push_back(argument.data());
  argv.push_back(nullptr);

  bool sloppy = false;
  std::vector<std::string> options;
  ::optind = 0;  // starts over; getopt moves what is no option to the end
  ::opterr = 0;
  for (int option = 0; (option = ::getopt(static_cast<int>(argv.size()) - 1, argv.data(), "sfnvhN:t:o:")) != -1;) {
    switch (option) {
      case 's':
        sloppy = true;
        break;
      case 'f':
        call.only_check = true;
        break;
      case 'v':
        call.verbose = true;
        break;
      case 'h':
        call.help = true;
        return call;
      case 'o':
        for (std::string& text : SplitOptions(::optarg)) options.push_back(std::move(text));
        break;
      case 'n':  // there is no /etc/mtab to leave alone
      case 't':  // the type by which mount(8) found this program
        break;
      case 'N':
        return Status::InvalidArgument(fmt::format(
            "a view cannot be mounted into the namespace {} from outside; run mount in it with nsenter", ::optarg));
      default:
        if (::optopt == 'o' || ::optopt == 'N' || ::optopt == 't') {
          return Status::InvalidArgument(
              fmt::format("-{} of mount.shardfs needs a value behind it", static_cast<char>(::optopt)));
        }
        return Status::InvalidArgument(
            fmt::format("mount.shardfs has no option -{}; it has -s, -f, -n, -v and -o", static_cast<char>(::optopt)));
    }
  }
  const std::vector<std::string> places(argv.begin() + ::optind, argv.end() - 1);
  if (places.size() != 2) {
    return Status::InvalidArgument(fmt::format(
        "mount.shardfs wants a source and a mountpoint, and got {} of them; see mount.shardfs(8)", places.size()));
  }
  OptionTranslator translator(mount, sloppy);
  for (const std::string& text : options) SHARDFS_RETURN_IF_ERROR(translator.Add(ParseOption(text)));
  call.arguments = translator.Arguments();
  call.arguments.insert(call.arguments.begin(), "mount");
  call.arguments.insert(call.arguments.end(), {"--", places[0], places[1]});
  return call;
}

int MountHelperExitCode(int exit_code) {
  constexpr int kRefused = 2;
  constexpr int kWrongCall = 1;
  constexpr int kMountFailed = 32;
  if (exit_code == 0) return 0;
  return exit_code == kRefused ? kWrongCall : kMountFailed;
}

}  // namespace shardfs
