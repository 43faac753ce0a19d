// The rows of the option table, by what they are about. Only option_table.cpp calls these.
#pragma once

#include <vector>

#include "supervisor/core/option_row.hpp"

namespace holdfast::supervisor {

std::vector<OptionRow> service_rows();   // what runs, where it listens, where it logs
std::vector<OptionRow> deadline_rows();  // how long each wait may take
std::vector<OptionRow> deploy_rows();    // how a reload proves itself
std::vector<OptionRow> health_rows();    // when a worker is replaced
std::vector<OptionRow> process_rows();   // environment, rights and limits of workers
std::vector<OptionRow> foreign_rows();   // workers that do not know the library

}  // namespace holdfast::supervisor
