// Instance: the only object of a class that has no state. Registries hold one of each class that they list.
#pragma once

namespace shardfs {

// Lives for the whole program.
template <typename T>
const T* Instance() {
  static const T instance;
  return &instance;
}

}  // namespace shardfs
