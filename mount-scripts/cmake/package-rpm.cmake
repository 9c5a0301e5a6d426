# The rpm of the static program: `cpack -G RPM`, on Debian, for either architecture. Included by package.cmake.
if(SHARDFS_ARCHITECTURE STREQUAL arm64)
  set(CPACK_RPM_PACKAGE_ARCHITECTURE aarch64)
else()
  set(CPACK_RPM_PACKAGE_ARCHITECTURE x86_64)
endif()
set(CPACK_RPM_COMPONENT_INSTALL ON)
set(CPACK_RPM_MAIN_COMPONENT shardfs)
set(CPACK_RPM_SHARDFS_PACKAGE_NAME shardfs)
set(CPACK_RPM_FILE_NAME RPM-DEFAULT)
set(CPACK_RPM_PACKAGE_LICENSE Apache-2.0)
set(CPACK_RPM_PACKAGE_GROUP System/Filesystems)
set(CPACK_RPM_PACKAGE_DESCRIPTION "${description}")
set(CPACK_RPM_PACKAGE_RELOCATABLE OFF)
# Nothing of it is found by looking: the program needs no library. Root mounts without fuse3, so where a distribution
# has no such package, that is no reason not to install this one.
set(CPACK_RPM_PACKAGE_AUTOREQPROV no)
set(CPACK_RPM_PACKAGE_REQUIRES "bash, util-linux")
set(CPACK_RPM_COMPRESSION_TYPE gzip)  # which rpm of any age unpacks
set(CPACK_RPM_POST_INSTALL_SCRIPT_FILE ${scripts}/rpm/reload)
set(CPACK_RPM_POST_UNINSTALL_SCRIPT_FILE ${scripts}/rpm/reload)
set(CPACK_RPM_SHARDFS_USER_FILELIST "%config(noreplace) /etc/logrotate.d/shardfs")
# Directories that the distribution's own packages have.
set(CPACK_RPM_EXCLUDE_FROM_AUTO_FILELIST_ADDITION
    /etc /etc/logrotate.d /usr/sbin /usr/bin /usr/lib/systemd /usr/lib/systemd/system /usr/libexec /usr/share /usr/share/doc
    /usr/share/bash-completion /usr/share/bash-completion/completions /usr/share/fish
    /usr/share/fish/vendor_completions.d /usr/share/zsh /usr/share/zsh/vendor-completions /usr/share/man
    /usr/share/man/man1 /usr/share/man/man8)
# Everything that depends on the machine or the day, as it is elsewhere; no links to build ids in /usr/lib; files that
# are stripped already (brp) and belong to another architecture are left as they are.
set(CPACK_RPM_SPEC_MORE_DEFINE "%define _build_id_links none
%define __os_install_post %{nil}
%define use_source_date_epoch_as_buildtime 1
%define clamp_mtime_to_source_date_epoch 1
%define _buildhost reproducible
Packager: ${CPACK_PACKAGE_CONTACT}
Recommends: fuse3
Suggests: python3
Suggests: python3-pyyaml")
