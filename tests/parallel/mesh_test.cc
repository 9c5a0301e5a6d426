#include "parallel/mesh.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace shardfs {
namespace {

using Axes = std::vector<MeshAxis>;

std::vector<std::uint32_t> Coordinates(const Mesh& mesh, std::string_view axis) {
  std::vector<std::uint32_t> coordinates;
  for (std::uint32_t rank = 0; rank < mesh.size(); ++rank) coordinates.push_back(mesh.CoordinateOf(rank, axis));
  return coordinates;
}

TEST(Mesh, TheFirstAxisVariesFastest) {
  const auto mesh = Mesh::Create(Axes{{"tp", 2}, {"dp", 1}, {"pp", 3}}, "tp-dp-pp");
  ASSERT_TRUE(mesh.ok()) << mesh.status();
  EXPECT_EQ(mesh->size(), 6u);
  EXPECT_THAT(Coordinates(*mesh, "tp"), ::testing::ElementsAre(0, 1, 0, 1, 0, 1));
  EXPECT_THAT(Coordinates(*mesh, "pp"), ::testing::ElementsAre(0, 0, 1, 1, 2, 2));
  const auto other = Mesh::Create(Axes{{"tp", 2}, {"dp", 1}, {"pp", 3}}, "pp-tp");
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_THAT(Coordinates(*other, "tp"), ::testing::ElementsAre(0, 0, 0, 1, 1, 1));
  EXPECT_THAT(Coordinates(*other, "pp"), ::testing::ElementsAre(0, 1, 2, 0, 1, 2));
  EXPECT_THAT(Coordinates(*other, "dp"), ::testing::Each(0));
}

struct Refused {
  Axes axes;
  const char* order;
  const char* message;
};

TEST(Mesh, RefusesOrdersThatAreNone) {
  const Axes axes = {{"tp", 2}, {"pp", 3}};
  const Refused cases[] = {
      {axes, "tp", "order tp lacks pp, whose size is 3"},
      {axes, "tp-pp-ep", "order tp-pp-ep has 'ep', no axis"},
      {axes, "tp-pp-tp", "order tp-pp-tp has tp twice"},
      {axes, "tp--pp", "order tp--pp has '', no axis"},
      {axes, "", "order  has '', no axis"},
      {{{"tp", 0}}, "tp", "tp is 0"},
      {{{"tp", 1u << 20}, {"pp", std::uint64_t{1} << 60}}, "tp-pp", "the sizes make more than 16384 ranks"},
  };
  for (const Refused& refused : cases) {
    const auto mesh = Mesh::Create(refused.axes, refused.order);
    ASSERT_FALSE(mesh.ok()) << refused.message;
    EXPECT_EQ(mesh.status().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(mesh.status().message(), refused.message);
  }
}

}  // namespace
}  // namespace shardfs
