// Loads the hash databases of Tokyo Cabinet, Kyoto Cabinet and tkrzw through their libraries, with the loops, keys, values
// and lines of output of lcnode-bench (benches/engine). For what their own test commands cannot do: keys of 16 bytes.
//
//     g++ -std=c++17 -O2 -o peers peers.cc -ltokyocabinet -lkyotocabinet -ltkrzw -lpthread
//     peers tokyo|kyoto|tkrzw put|get PATH RECORDS KEY_SIZE VALUE_SIZE seq|rand THREADS BUCKETS MAPPED_BYTES
//
// Opening and closing are timed apart, as in lcnode-bench. tkrzw is synchronized within the time of its puts, as by its own
// command. Values are got into a buffer of the thread where the library can do that, which saves it an allocation.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <kchashdb.h>
#include <tchdb.h>
#include <tkrzw_dbm_hash.h>
#include <tkrzw_file_mmap.h>

struct Database {
  virtual ~Database() = default;
  virtual bool open(const char* path, bool write, int64_t buckets, int64_t mapped, bool threads) = 0;
  virtual bool put(const char* key, size_t key_size, const char* value, size_t value_size) = 0;
  // The length of the value in `buf`, of which `room` bytes are filled at most; -1 for none.
  virtual int64_t get(const char* key, size_t key_size, std::string* buf, size_t room) = 0;
  virtual bool sync() { return true; }
  virtual bool close() = 0;
  virtual int64_t count() = 0;
};

struct Tokyo final : Database {
  TCHDB* db = tchdbnew();
  ~Tokyo() override { tchdbdel(db); }
  bool open(const char* path, bool write, int64_t buckets, int64_t mapped, bool threads) override {
    return (!threads || tchdbsetmutex(db)) && tchdbtune(db, buckets, -1, -1, 0) && tchdbsetxmsiz(db, mapped) &&
           tchdbopen(db, path, write ? HDBOWRITER | HDBOCREAT | HDBOTRUNC : HDBOREADER);
  }
  bool put(const char* key, size_t key_size, const char* value, size_t value_size) override {
    return tchdbput(db, key, key_size, value, value_size);
  }
  int64_t get(const char* key, size_t key_size, std::string* buf, size_t room) override {
    return tchdbget3(db, key, key_size, buf->data(), room);
  }
  bool close() override { return tchdbclose(db); }
  int64_t count() override { return tchdbrnum(db); }
};

struct Kyoto final : Database {
  kyotocabinet::HashDB db;
  bool open(const char* path, bool write, int64_t buckets, int64_t mapped, bool) override {
    using kyotocabinet::HashDB;
    return db.tune_buckets(buckets) && db.tune_map(mapped) &&
           db.open(path, write ? HashDB::OWRITER | HashDB::OCREATE | HashDB::OTRUNCATE : HashDB::OREADER);
  }
  bool put(const char* key, size_t key_size, const char* value, size_t value_size) override {
    return db.set(key, key_size, value, value_size);
  }
  int64_t get(const char* key, size_t key_size, std::string* buf, size_t room) override {
    return db.get(key, key_size, buf->data(), room);
  }
  bool close() override { return db.close(); }
  int64_t count() override { return db.count(); }
};

struct Tkrzw final : Database {
  tkrzw::HashDBM db{std::make_unique<tkrzw::MemoryMapParallelFile>()};
  bool open(const char* path, bool write, int64_t buckets, int64_t, bool) override {
    tkrzw::HashDBM::TuningParameters tuning;
    tuning.num_buckets = buckets;
    return db.OpenAdvanced(path, write, write ? tkrzw::File::OPEN_TRUNCATE : tkrzw::File::OPEN_DEFAULT, tuning).IsOK();
  }
  bool put(const char* key, size_t key_size, const char* value, size_t value_size) override {
    return db.Set({key, key_size}, {value, value_size}).IsOK();
  }
  int64_t get(const char* key, size_t key_size, std::string* buf, size_t) override {
    return db.Get({key, key_size}, buf).IsOK() ? static_cast<int64_t>(buf->size()) : -1;
  }
  bool sync() override { return db.Synchronize(false).IsOK(); }
  bool close() override { return db.Close().IsOK(); }
  int64_t count() override { return db.CountSimple(); }
};

// SplitMix64, as in lcnode-bench.
struct Random {
  uint64_t state;
  explicit Random(uint64_t seed) : state(seed) { state = next(); }
  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t below(uint64_t end) { return static_cast<uint64_t>((static_cast<unsigned __int128>(next()) * end) >> 64); }
};

static double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

[[noreturn]] static void die(const char* what) {
  std::fprintf(stderr, "peers: %s\n", what);
  std::exit(1);
}

int main(int argc, char** argv) {
  if (argc != 11) die("ten arguments, see the first lines of peers.cc");
  const std::string name = argv[1];
  const bool write = std::string(argv[2]) == "put", random = std::string(argv[7]) == "rand";
  const uint64_t records = std::strtoull(argv[4], nullptr, 10);
  const size_t key_size = std::strtoul(argv[5], nullptr, 10), value_size = std::strtoul(argv[6], nullptr, 10);
  const uint64_t threads = std::strtoull(argv[8], nullptr, 10), share = records / threads;
  if (key_size < 1 || key_size > 250 || value_size > 1 << 20) die("a key of 1 to 250 bytes, a value of up to 1 MiB");

  std::unique_ptr<Database> db;
  if (name == "tokyo") db = std::make_unique<Tokyo>();
  if (name == "kyoto") db = std::make_unique<Kyoto>();
  if (name == "tkrzw") db = std::make_unique<Tkrzw>();
  if (!db) die("tokyo, kyoto or tkrzw");
  double began = now();
  if (!db->open(argv[3], write, std::atoll(argv[9]), std::atoll(argv[10]), threads > 1)) die("the database does not open");
  std::printf("open: seconds=%.6f\n", now() - began);

  std::atomic<uint64_t> found{0};
  const auto task = [&](uint64_t id) {
    Random rng(1 + id);
    char key[256];
    std::string value(value_size, 0), got(value_size + 1, 0);
    uint64_t counted = 0;
    for (uint64_t i = 0; i < share; i++) {
      const uint64_t number = random ? rng.below(records) : id * share + i;
      std::snprintf(key, sizeof key, "%0*llu", static_cast<int>(key_size), static_cast<unsigned long long>(number));
      for (size_t at = 0; at < value_size; at += key_size)
        std::memcpy(&value[at], key, std::min(key_size, value_size - at));
      if (write) {
        if (!db->put(key, key_size, value.data(), value_size)) die("a put failed");
        counted++;
        continue;
      }
      const int64_t length = db->get(key, key_size, &got, value_size + 1);
      if (length < 0) continue;
      if (static_cast<size_t>(length) != value_size || std::memcmp(got.data(), value.data(), value_size))
        die("a key has another value than was put");
      counted++;
    }
    found += counted;
  };
  began = now();
  std::vector<std::thread> running;
  for (uint64_t id = 1; id < threads; id++) running.emplace_back(task, id);
  task(0);
  for (auto& thread : running) thread.join();
  if (write && !db->sync()) die("the database does not synchronize");
  const double seconds = now() - began;
  const unsigned long long calls = share * threads;
  std::printf("%s: seconds=%.6f calls=%llu found=%llu mops=%.3f\n", argv[2], seconds, calls,
              static_cast<unsigned long long>(found), calls / seconds / 1e6);
  if (!write && found < calls) die("records are missing");
  began = now();
  const int64_t count = db->count();
  if (!db->close()) die("the database does not close");
  std::printf("figures: records=%lld\nclose: seconds=%.6f\n", static_cast<long long>(count), now() - began);
}
