# title: g++
# what: compile and run C++ with streams, exceptions and containers
cd /tmp
cat > main.cc <<'E'
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
int main() {
    std::map<std::string, std::vector<int>> table;
    std::thread fill([&] { for (int i = 0; i < 9; i++) table[i % 2 ? "odd" : "even"].push_back(i); });
    fill.join();
    for (auto &[name, values] : table) { std::cout << name; for (int v : values) std::cout << ' ' << v; std::cout << '\n'; }
    try { table.at("none"); } catch (const std::out_of_range &e) { std::cout << e.what() << std::endl; }
}
E
g++ -std=c++20 -O1 -o main main.cc && ./main
sha256sum main
