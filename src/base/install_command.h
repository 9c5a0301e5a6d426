// InstallCommand says what to type on this machine to install a package, for messages that say what is missing.
#pragma once

#include <string>

namespace shardfs {

// "apt-get install fuse3", and with dnf, yum or zypper where the distribution has these: by ID and ID_LIKE of
// os-release(5), and where these name no distribution that is known, by which of the programs is there. Where none is,
// "install the package fuse3". `root` stands before the paths that are looked at. Thread-safe.
std::string InstallCommand(const std::string& package, const std::string& root = "");

}  // namespace shardfs
